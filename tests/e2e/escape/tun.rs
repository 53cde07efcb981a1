//! Packets that a program writes into a device: to the node they come from outside, and it forwards
//! them.

use std::{
    fs::File,
    io::{self, Write as _},
    os::fd::AsRawFd as _,
};

use anyhow::Context as _;
use nix::{errno::Errno, libc};

use super::{
    ground::{DATA, Ground, PORT},
    raw::between,
    technique::{Targets, Way},
};

const DEVICE: &str = "tun66";
/// Behind it, and none of the node's.
const BEHIND: &str = "10.246.0.2";

pub(super) fn way<'g>(ground: &'g Ground<'_>, _: Targets) -> anyhow::Result<Way<'g>> {
    let device = ground.rig.client.run(open)?;
    ground.rig.client.set("ipv4/ip_forward", "1")?;
    ground.rig.client.configure([
        format!("addr add 10.246.0.1/24 dev {DEVICE}"),
        format!("link set {DEVICE} up"),
    ])?;
    Ok(Box::new(move |to| {
        let packet = between(to).from(BEHIND).udp(PORT).payload(DATA).bytes();
        (&device).write_all(&packet).context("write into a tun device")
    }))
}

/// A device of the namespace that this thread is in; it carries packets of IP, and nothing in front
/// of them.
fn open() -> anyhow::Result<File> {
    let opened = File::options().read(true).write(true).open("/dev/net/tun");
    let is_missing = |error: &io::Error| {
        // The file may be there though the device is not.
        matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENODEV | libc::ENXIO))
    };
    let file = match opened {
        Err(error) if is_missing(&error) => return Err(Errno::ENOSYS).context("/dev/net/tun"),
        opened => opened.context("open /dev/net/tun")?,
    };
    // SAFETY: zeroes are a valid request without a name and without flags.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(DEVICE.bytes()) {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_flags = i16::try_from(libc::IFF_TUN | libc::IFF_NO_PI)?;
    // SAFETY: the kernel reads and writes a request of this size.
    let made = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &raw mut request) };
    Errno::result(made).context("make a tun device")?;
    Ok(file)
}
