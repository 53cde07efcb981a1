//! Hooks: which program goes where, and under which name its link is pinned.

use std::{
    fs::File,
    io,
    os::fd::{AsFd, BorrowedFd},
    path::Path,
};

use aya::{
    Ebpf,
    programs::{
        CgroupAttachMode, CgroupSkb, CgroupSkbAttachType, CgroupSock, CgroupSockAddr,
        CgroupSockopt, Program, ProgramError, ProgramInfo, SchedClassifier, TcAttachType,
        links::{FdLink, LinkError},
    },
};

use super::{DatapathError, link::attach_setsockopt, pin::Instance, preflight::kernel_release};

/// A hook of the cgroup family.
#[derive(Debug, Clone, Copy)]
pub struct Hook {
    /// The program's name in the object.
    pub program: &'static str,
    /// The hook's name in `status`, and its link's among the pins.
    pub name: &'static str,
    kind: Kind,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Skb(CgroupSkbAttachType),
    SockAddr,
    Sock,
    Sockopt,
    Device(TcDirection),
}

#[derive(Debug, Clone, Copy)]
enum TcDirection {
    Ingress,
    Egress,
}

impl Hook {
    const fn skb(program: &'static str, name: &'static str, to: CgroupSkbAttachType) -> Self {
        Self { program, name, kind: Kind::Skb(to) }
    }

    const fn sock_addr(program: &'static str, name: &'static str) -> Self {
        Self { program, name, kind: Kind::SockAddr }
    }
}

/// Every hook, in the order they are attached: sockets are noted before anything is asked of the
/// notes, answers are learned before a packet is judged by what was learned, and the one that
/// enforces comes last, so that its presence means that all are there.
pub const HOOKS: [Hook; 8] = [
    Hook { program: "sock_create", name: "cgroup_sock_create", kind: Kind::Sock },
    Hook::sock_addr("sendmsg4", "cgroup_sendmsg4"),
    Hook::sock_addr("sendmsg6", "cgroup_sendmsg6"),
    Hook::sock_addr("connect4", "cgroup_connect4"),
    Hook::sock_addr("connect6", "cgroup_connect6"),
    Hook { program: "setsockopt", name: "cgroup_setsockopt", kind: Kind::Sockopt },
    Hook::skb("ingress_skb", "cgroup_ingress", CgroupSkbAttachType::Ingress),
    Hook::skb("egress_skb", "cgroup_egress", CgroupSkbAttachType::Egress),
];

/// The hooks of each uplink, in the order they are attached.
pub(super) const UPLINK_HOOKS: [Hook; 2] = [
    Hook { program: "tc_ingress", name: "tc_ingress", kind: Kind::Device(TcDirection::Ingress) },
    Hook { program: "tc_egress", name: "tc_egress", kind: Kind::Device(TcDirection::Egress) },
];

/// The program that the agent runs to change what is learned of an address; attached nowhere.
pub(super) const WRITER: Hook =
    Hook::skb("write_address", "write_address", CgroupSkbAttachType::Egress);

/// How often a program is handed to the verifier that a signal interrupts. libbpf's five are for
/// programs that are verified in less time (`PROG_LOAD_ATTEMPTS`, tools/lib/bpf/bpf.h, 6.18).
const LOAD_ATTEMPTS: u32 = 16;

impl Hook {
    /// Whether packets are dropped from its attachment on.
    pub(super) const fn is_enforcing(&self) -> bool {
        matches!(self.kind, Kind::Skb(CgroupSkbAttachType::Egress))
    }

    /// Has the kernel verify the program, and pins it.
    pub(super) fn load(&self, object: &mut Ebpf, instance: &Instance) -> Result<(), DatapathError> {
        let refused = |source| DatapathError::Program {
            program: self.program,
            kernel: kernel_release(),
            source: Box::new(source),
        };
        let path = instance.program(self.program);
        let pinned = match self.kind {
            Kind::Skb(_) => {
                let program: &mut CgroupSkb = self.program_of(object)?;
                insistently(|| program.load()).map_err(refused)?;
                program.pin(path)
            }
            Kind::SockAddr => {
                let program: &mut CgroupSockAddr = self.program_of(object)?;
                insistently(|| program.load()).map_err(refused)?;
                program.pin(path)
            }
            Kind::Sock => {
                let program: &mut CgroupSock = self.program_of(object)?;
                insistently(|| program.load()).map_err(refused)?;
                program.pin(path)
            }
            Kind::Sockopt => {
                let program: &mut CgroupSockopt = self.program_of(object)?;
                insistently(|| program.load()).map_err(refused)?;
                program.pin(path)
            }
            Kind::Device(_) => {
                let program: &mut SchedClassifier = self.program_of(object)?;
                insistently(|| program.load()).map_err(refused)?;
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
            Kind::Skb(to) => {
                let program: &mut CgroupSkb = self.program_of(object)?;
                let id = program.attach(&directory, to, mode).map_err(refused)?;
                program.take_link(id).map_err(refused)?.try_into()
            }
            Kind::SockAddr => {
                let program: &mut CgroupSockAddr = self.program_of(object)?;
                let id = program.attach(&directory, mode).map_err(refused)?;
                program.take_link(id).map_err(refused)?.try_into()
            }
            Kind::Sock => {
                let program: &mut CgroupSock = self.program_of(object)?;
                let id = program.attach(&directory, mode).map_err(refused)?;
                program.take_link(id).map_err(refused)?.try_into()
            }
            Kind::Sockopt => {
                let program: &mut CgroupSockopt = self.program_of(object)?;
                let program = program.fd().map_err(refused)?.as_fd();
                return attach_setsockopt(program, directory.as_fd(), &instance.link(self.name))
                    .map_err(|error| refused(ProgramError::IOError(error)));
            }
            Kind::Device(_) => return Err(DatapathError::Missing { what: "cgroup hook" }),
        };
        let link = link.map_err(|_not_a_link| DatapathError::Missing { what: "link support" })?;
        link.pin(instance.link(self.name)).map(drop).map_err(|source| DatapathError::PinObject {
            what: format!("link {}", self.name),
            source,
        })
    }

    /// Where a program for devices is attached to them.
    pub(super) const fn tc_attach_type(&self) -> TcAttachType {
        match self.kind {
            Kind::Device(TcDirection::Ingress) => TcAttachType::Ingress,
            Kind::Device(TcDirection::Egress)
            | Kind::Skb(_)
            | Kind::SockAddr
            | Kind::Sock
            | Kind::Sockopt => TcAttachType::Egress,
        }
    }

    pub(super) fn verified_instructions(&self, object: &Ebpf) -> Result<u32, DatapathError> {
        Ok(self.info(object)?.verified_instruction_count().unwrap_or(0))
    }

    /// The number that the kernel has given the program.
    pub(super) fn program_id(&self, object: &Ebpf) -> Result<u32, DatapathError> {
        Ok(self.info(object)?.id())
    }

    /// Where the link to a device is pinned.
    pub(super) fn pin_name(&self, index: u32) -> String {
        format!("{}_{index}", self.name)
    }

    /// The loaded program.
    pub(super) fn fd<'a>(&self, object: &'a Ebpf) -> Result<BorrowedFd<'a>, DatapathError> {
        let fd = match object.program(self.program) {
            Some(Program::CgroupSkb(program)) => program.fd(),
            Some(Program::CgroupSockAddr(program)) => program.fd(),
            Some(Program::CgroupSock(program)) => program.fd(),
            Some(Program::CgroupSockopt(program)) => program.fd(),
            Some(Program::SchedClassifier(program)) => program.fd(),
            _ => return Err(DatapathError::Missing { what: self.program }),
        };
        fd.map(AsFd::as_fd).map_err(|source| DatapathError::Program {
            program: self.program,
            kernel: kernel_release(),
            source: Box::new(source),
        })
    }

    fn info(&self, object: &Ebpf) -> Result<ProgramInfo, DatapathError> {
        let info = match object.program(self.program) {
            Some(Program::CgroupSkb(program)) => program.info(),
            Some(Program::CgroupSockAddr(program)) => program.info(),
            Some(Program::CgroupSock(program)) => program.info(),
            Some(Program::CgroupSockopt(program)) => program.info(),
            Some(Program::SchedClassifier(program)) => program.info(),
            _ => return Err(DatapathError::Missing { what: self.program }),
        };
        info.map_err(|source| DatapathError::Program {
            program: self.program,
            kernel: kernel_release(),
            source: Box::new(source),
        })
    }

    pub(super) fn program_of<'a, P>(&self, object: &'a mut Ebpf) -> Result<&'a mut P, DatapathError>
    where
        &'a mut P: TryFrom<&'a mut Program>,
    {
        object
            .program_mut(self.program)
            .and_then(|program| program.try_into().ok())
            .ok_or(DatapathError::Missing { what: self.program })
    }
}

/// Loads a program, again where the verifier gave up for a signal that the thread had to take:
/// `EAGAIN` (`do_check`, kernel/bpf/verifier.c, 6.18). One that stops or freezes the process counts
/// as well, and no thread can block that.
fn insistently(mut load: impl FnMut() -> Result<(), ProgramError>) -> Result<(), ProgramError> {
    let is_interrupted = |error: &ProgramError| {
        matches!(error, ProgramError::LoadError { io_error, .. }
            if io_error.kind() == io::ErrorKind::WouldBlock)
    };
    let mut outcome = load();
    for _ in 1..LOAD_ATTEMPTS {
        if !outcome.as_ref().is_err_and(is_interrupted) {
            break;
        }
        outcome = load();
    }
    outcome
}
