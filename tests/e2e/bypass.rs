//! The two ways to send that no hook sees packets of are refused where they are asked for.

use std::os::fd::{AsRawFd as _, OwnedFd};

use enforcer_tests::{Insider, Rig, insider::Kind, require_privilege};
use nix::{
    errno::Errno,
    libc,
    sys::socket::{getsockopt, sockopt},
};

use crate::world::{PLAIN, dropped, policy};

/// Levels and options (`include/linux/socket.h`, `if_packet.h` and `if_xdp.h` of uapi, 6.18).
const SOL_PACKET: i32 = 263;
const PACKET_QDISC_BYPASS: i32 = 20;
const SOL_XDP: i32 = 283;
const XDP_TX_RING: i32 = 3;
/// A value that is longer than what is copied for programs.
const LONG: usize = 6_000;

fn set(socket: &OwnedFd, level: i32, name: i32, value: &[u8]) -> Result<(), Errno> {
    let size = libc::socklen_t::try_from(value.len()).unwrap();
    // SAFETY: a value and its size.
    let result =
        unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, value.as_ptr().cast(), size) };
    Errno::result(result).map(drop)
}

fn bypass(insider: &Insider, value: u32) -> Result<(), Errno> {
    let socket = insider.socket(Kind::Packet).unwrap();
    set(&socket, SOL_PACKET, PACKET_QDISC_BYPASS, &value.to_ne_bytes())
}

/// `None`: this kernel has no such sockets.
fn set_up_xdp(insider: &Insider) -> Option<Result<(), Errno>> {
    let socket = insider.socket(Kind::Xdp).ok()?;
    Some(set(&socket, SOL_XDP, XDP_TX_RING, &64_u32.to_ne_bytes()))
}

#[test]
fn what_no_hook_sees_is_refused_and_counted() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let insider = rig.insider(&rig.client).unwrap();
    assert_eq!(bypass(&insider, 1), Ok(()), "control, without enforcer");
    let has_xdp = set_up_xdp(&insider);
    assert!(has_xdp.is_none_or(|set| set.is_ok()), "control: {has_xdp:?}");
    let agent = rig.agent(&policy(PLAIN, &[])).unwrap();

    assert_eq!(bypass(&insider, 1), Err(Errno::EPERM));
    assert_eq!(bypass(&insider, 0), Ok(()), "switching it off is no way out");
    let status = agent.status().unwrap();
    assert_eq!(dropped(&status, "qdisc-bypass"), 1);

    if has_xdp.is_none() {
        eprintln!("not applicable: AF_XDP: this kernel has no such sockets");
        return;
    }
    assert_eq!(set_up_xdp(&insider), Some(Err(Errno::EPERM)));
    assert_eq!(dropped(&agent.status().unwrap(), "af-xdp"), 1);
}

#[test]
fn a_policy_may_allow_either() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let insider = rig.insider(&rig.client).unwrap();
    let settings = format!("{PLAIN}\nbypass: {{qdiscBypass: allow}}");
    let agent = rig.agent(&policy(&settings, &[])).unwrap();

    assert_eq!(bypass(&insider, 1), Ok(()));
    assert!(set_up_xdp(&insider).is_none_or(|set| set == Err(Errno::EPERM)));

    let settings = format!("{PLAIN}\nbypass: {{afXdp: allow}}");
    agent.write_policy(&policy(&settings, &[])).unwrap();
    agent.wait_for_line("generation 2", |line| line.contains("generation=2")).unwrap();

    assert_eq!(bypass(&insider, 1), Err(Errno::EPERM));
    assert!(set_up_xdp(&insider).is_none_or(|set| set.is_ok()));
}

#[test]
fn an_audit_refuses_neither_and_counts_both() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let insider = rig.insider(&rig.client).unwrap();
    let agent = rig.agent(&policy(&format!("mode: audit\n{PLAIN}"), &[])).unwrap();

    assert_eq!(bypass(&insider, 1), Ok(()));
    let has_xdp = set_up_xdp(&insider).is_some_and(|set| set.is_ok());

    let status = agent.status().unwrap();
    assert_eq!(dropped(&status, "qdisc-bypass"), 1);
    assert_eq!(dropped(&status, "af-xdp"), u64::from(has_xdp));
}

/// What a call with a long value says: a program that lets it pass must let go of the value.
#[test]
fn a_long_value_is_what_it_was() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let insider = rig.insider(&rig.client).unwrap();
    // An option takes what it needs of a value that is longer.
    let long = || {
        let socket = insider.socket(Kind::Udp4).unwrap();
        let mut value = vec![0; LONG];
        value[..4].copy_from_slice(&1_u32.to_ne_bytes());
        set(&socket, libc::SOL_SOCKET, libc::SO_KEEPALIVE, &value)?;
        getsockopt(&socket, sockopt::KeepAlive)
    };
    assert_eq!(long(), Ok(true), "control, without enforcer");
    let _agent = rig.agent(&policy(PLAIN, &[])).unwrap();

    assert_eq!(long(), Ok(true));
}
