//! Connections that are older than the agent: those opened from outside go on, and no others.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::fd::AsRawFd as _,
};

use enforcer_tests::{
    Insider, Rig,
    insider::{Kind, bind_to},
    link::{CLIENT_V4, WORLD_V4},
    packet::protocol,
    require_privilege,
};
use nix::sys::socket::{Backlog, listen};

use crate::world::{PATIENCE, PLAIN, policy};

/// With and without the hooks at uplinks.
const WAYS: [&str; 2] = ["none", "auto"];

fn exchange(from: &mut TcpStream, to: &mut TcpStream) -> std::io::Result<()> {
    let mut bytes = [0; 4];
    from.write_all(b"ping")?;
    to.read_exact(&mut bytes)?;
    assert_eq!(&bytes, b"ping");
    Ok(())
}

fn listener(insider: &Insider) -> TcpListener {
    let socket = insider.socket(Kind::Tcp4).unwrap();
    bind_to(&socket, SocketAddr::from((CLIENT_V4, 8080))).unwrap();
    listen(&socket, Backlog::new(8).unwrap()).unwrap();
    TcpListener::from(socket)
}

#[test]
fn a_connection_from_outside_goes_on_over_every_start() {
    require_privilege!();
    for way in WAYS {
        let rig = Rig::make().unwrap();
        let insider = rig.insider(&rig.client).unwrap();
        let listener = listener(&insider);
        let connect = || Ok(TcpStream::connect((CLIENT_V4, 8080))?);
        let mut outside = rig.world.run(connect).unwrap();
        let (mut inside, _) = listener.accept().unwrap();
        for stream in [&outside, &inside] {
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
        }

        for _ in 0..2 {
            let mut agent = rig.agent_with(&policy(PLAIN, &[]), &["--tc", way]).unwrap();

            // This side first: nothing has come since the start.
            exchange(&mut inside, &mut outside).unwrap();
            exchange(&mut outside, &mut inside).unwrap();
            agent.kill().unwrap();
        }
    }
}

#[test]
fn a_connection_to_outside_is_judged_by_the_policy() {
    require_privilege!();
    for way in WAYS {
        let rig = Rig::make().unwrap();
        let server = rig.world.run(|| Ok(TcpListener::bind((WORLD_V4, 443))?)).unwrap();
        let insider = rig.insider(&rig.client).unwrap();
        let mut inside = insider.stream(SocketAddr::from((WORLD_V4, 443))).unwrap();
        let (mut outside, _) = server.accept().unwrap();
        exchange(&mut inside, &mut outside).unwrap();
        let _agent = rig.agent_with(&policy(PLAIN, &[]), &["--tc", way]).unwrap();
        let capture = rig.capture().unwrap();

        inside.set_write_timeout(Some(PATIENCE)).unwrap();
        // Taken by the kernel, and dropped on its way.
        inside.write_all(b"ping").unwrap();
        outside.set_nonblocking(true).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(300));

        assert!(outside.read(&mut [0; 4]).is_err(), "--tc {way}, {}", inside.as_raw_fd());
        assert_eq!(capture.count_to_port(WORLD_V4.into(), protocol::TCP, 443), 0, "--tc {way}");
    }
}

#[test]
fn a_server_of_datagrams_answers_whoever_asks_after_the_start() {
    require_privilege!();
    for way in WAYS {
        let rig = Rig::make().unwrap();
        let insider = rig.insider(&rig.client).unwrap();
        let server = insider.datagrams(SocketAddr::from((CLIENT_V4, 8080))).unwrap();
        let _agent = rig.agent_with(&policy(PLAIN, &[]), &["--tc", way]).unwrap();

        for port in [40_000, 40_001] {
            let client = rig.world.run(|| Ok(UdpSocket::bind((WORLD_V4, port))?)).unwrap();
            client.connect((CLIENT_V4, 8080)).unwrap();
            client.set_read_timeout(Some(PATIENCE)).unwrap();
            for _ in 0..2 {
                client.send(b"ping").unwrap();
                let (_, from) = server.recv_from(&mut [0; 4]).unwrap();
                server.send_to(b"pong", from).unwrap();
                client.recv(&mut [0; 4]).unwrap();
            }
        }
        assert!(server.send_to(b"ping", (WORLD_V4, 40_002)).is_err(), "nobody asked");
    }
}
