//! Hooks: which program goes where, and under which name its link is pinned.

use std::{fs::File, path::Path};

use aya::{
    Ebpf,
    programs::{
        CgroupAttachMode, CgroupSkb, CgroupSkbAttachType, CgroupSockAddr, Program, ProgramError,
        links::{FdLink, LinkError},
    },
};

use super::{DatapathError, pin::Instance, preflight::kernel_release};

/// A hook of the cgroup family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hook {
    /// The program's name in the object.
    pub program: &'static str,
    /// The hook's name in `status`, and its link's among the pins.
    pub name: &'static str,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    EgressSkb,
    Connect,
}

/// Every hook, in the order they are attached: the one that enforces comes last, so that its
/// presence means that all are there.
pub const HOOKS: [Hook; 3] = [
    Hook { program: "connect4", name: "cgroup_connect4", kind: Kind::Connect },
    Hook { program: "connect6", name: "cgroup_connect6", kind: Kind::Connect },
    Hook { program: "egress_skb", name: "cgroup_egress", kind: Kind::EgressSkb },
];

impl Hook {
    /// Has the kernel verify the program, and pins it.
    pub(super) fn load(&self, object: &mut Ebpf, instance: &Instance) -> Result<(), DatapathError> {
        let refused = |source| DatapathError::Program {
            program: self.program,
            kernel: kernel_release(),
            source: Box::new(source),
        };
        let path = instance.program(self.program);
        let pinned = match self.kind {
            Kind::EgressSkb => {
                let program: &mut CgroupSkb = self.program_of(object)?;
                program.load().map_err(refused)?;
                program.pin(path)
            }
            Kind::Connect => {
                let program: &mut CgroupSockAddr = self.program_of(object)?;
                program.load().map_err(refused)?;
                program.pin(path)
            }
        };
        pinned.map_err(|source| DatapathError::PinObject {
            what: format!("program {}", self.program),
            source,
        })
    }

    /// Attaches the program to a cgroup by a link, and pins the link.
    pub(super) fn attach(
        &self,
        object: &mut Ebpf,
        cgroup: &Path,
        instance: &Instance,
    ) -> Result<(), DatapathError> {
        let refused = |source: ProgramError| DatapathError::Attach {
            program: self.program,
            cgroup: cgroup.to_owned(),
            source: Box::new(source),
        };
        let directory = File::open(cgroup).map_err(DatapathError::pin("open cgroup", cgroup))?;
        // A link is "multi" by itself, and the kernel refuses the flag on it.
        let mode = CgroupAttachMode::Single;
        let link: Result<FdLink, LinkError> = match self.kind {
            Kind::EgressSkb => {
                let program: &mut CgroupSkb = self.program_of(object)?;
                let id = program
                    .attach(&directory, CgroupSkbAttachType::Egress, mode)
                    .map_err(refused)?;
                program.take_link(id).map_err(refused)?.try_into()
            }
            Kind::Connect => {
                let program: &mut CgroupSockAddr = self.program_of(object)?;
                let id = program.attach(&directory, mode).map_err(refused)?;
                program.take_link(id).map_err(refused)?.try_into()
            }
        };
        let link = link.map_err(|_not_a_link| DatapathError::Missing { what: "link support" })?;
        link.pin(instance.link(self.name)).map(drop).map_err(|source| DatapathError::PinObject {
            what: format!("link {}", self.name),
            source,
        })
    }

    pub(super) fn verified_instructions(&self, object: &Ebpf) -> Result<u32, DatapathError> {
        let info = match object.program(self.program) {
            Some(Program::CgroupSkb(program)) => program.info(),
            Some(Program::CgroupSockAddr(program)) => program.info(),
            _ => return Err(DatapathError::Missing { what: self.program }),
        };
        let info = info.map_err(|source| DatapathError::Program {
            program: self.program,
            kernel: kernel_release(),
            source: Box::new(source),
        })?;
        Ok(info.verified_instruction_count().unwrap_or(0))
    }

    fn program_of<'a, P>(&self, object: &'a mut Ebpf) -> Result<&'a mut P, DatapathError>
    where
        &'a mut P: TryFrom<&'a mut Program>,
    {
        object
            .program_mut(self.program)
            .and_then(|program| program.try_into().ok())
            .ok_or(DatapathError::Missing { what: self.program })
    }
}
