//! What a load balancer sends in has its answers go out by the filter, which must let them: of a
//! process of the node, of a pod behind it, and with addresses translated on the way in.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use enforcer_tests::{
    Insider, Netns, Probe, Rig,
    insider::{Kind, bind_to},
    link::{CLIENT_V4, WORLD_V4},
    require_privilege, wait,
};
use nix::sys::socket::{Backlog, listen};

use crate::{
    pod::pod,
    world::{PATIENCE, PLAIN, dropped, policy},
};

/// Where the world knows the service, and where the server is.
const SERVICE: u16 = 80;
const SERVER: u16 = 8_080;
const POD: Ipv4Addr = Ipv4Addr::new(10, 244, 0, 2);
const CONNECTIONS: u32 = 100;
const REQUESTS: u32 = 500;
/// How long a server waits for more.
const LULL: Duration = Duration::from_secs(2);
/// How long an answer may take.
const SHORT: Duration = Duration::from_secs(1);

/// A server of the workload, in a namespace, on whose behalf the node has a service.
struct Server {
    _insider: Insider,
    datagrams: UdpSocket,
    listener: TcpListener,
}

impl Server {
    fn make(rig: &Rig, namespace: &Netns) -> Self {
        let insider = rig.insider(namespace).unwrap();
        let all = SocketAddr::from((Ipv4Addr::UNSPECIFIED, SERVER));
        let datagrams = insider.datagrams(all).unwrap();
        let socket = insider.socket(Kind::Tcp4).unwrap();
        bind_to(&socket, all).unwrap();
        listen(&socket, Backlog::new(64).unwrap()).unwrap();
        Self { _insider: insider, datagrams, listener: TcpListener::from(socket) }
    }

    /// Echoes requests of each kind until there are none for a while.
    fn serve(&self) {
        self.listener.set_nonblocking(true).unwrap();
        self.datagrams.set_read_timeout(Some(LULL)).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut last = Instant::now();
                while last.elapsed() < LULL {
                    let Ok((mut stream, _)) = self.listener.accept() else {
                        thread::sleep(Duration::from_millis(1));
                        continue;
                    };
                    last = Instant::now();
                    let mut bytes = [0; 4];
                    stream.set_nonblocking(false).unwrap();
                    stream.set_read_timeout(Some(LULL)).unwrap();
                    // The client says what came of it.
                    if stream.read_exact(&mut bytes).is_ok() {
                        drop(stream.write_all(&bytes));
                    }
                }
            });
            let mut bytes = [0; 16];
            let mut is_first = true;
            loop {
                match self.datagrams.recv_from(&mut bytes) {
                    Ok((length, from)) => drop(self.datagrams.send_to(&bytes[..length], from)),
                    // The connections come before the datagrams.
                    Err(_) if is_first => {}
                    Err(_) => break,
                }
                is_first = false;
            }
        });
    }
}

fn service() -> SocketAddr {
    (CLIENT_V4, SERVICE).into()
}

/// Leads the service of the node to a server, and says whether its packets look as if the node sent
/// them (as a load balancer that translates both addresses has it).
fn translate(rig: &Rig, server: Ipv4Addr, is_masked: bool) {
    let mut rules = vec![
        "add table ip lb".to_owned(),
        "add chain ip lb pre { type nat hook prerouting priority -100 ; }".to_owned(),
        "add chain ip lb post { type nat hook postrouting priority 90 ; }".to_owned(),
    ];
    for protocol in ["tcp", "udp"] {
        rules.push(format!(
            "add rule ip lb pre iifname uplink {protocol} dport {SERVICE} dnat to {server}:{SERVER}"
        ));
    }
    if is_masked {
        rules.push("add rule ip lb post oifname pod masquerade".to_owned());
    }
    let done = rig.client.output(Command::new("nft").arg(rules.join("; "))).unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// How many connections and datagrams of the world are answered.
fn ask(rig: &Rig) -> (u32, u32) {
    let connect = || {
        // A lost one ends it: the rest need not be waited for.
        let answered = (0..CONNECTIONS).take_while(|_| {
            let exchange = || -> std::io::Result<()> {
                let mut stream = TcpStream::connect_timeout(&service(), SHORT)?;
                stream.set_read_timeout(Some(SHORT))?;
                stream.write_all(b"ping")?;
                stream.read_exact(&mut [0; 4])
            };
            exchange().is_ok()
        });
        Ok(u32::try_from(answered.count())?)
    };
    let connections = rig.world.run(connect).unwrap();
    let client = rig.world.run(|| Ok(UdpSocket::bind((WORLD_V4, 0))?)).unwrap();
    client.connect(service()).unwrap();
    client.set_read_timeout(Some(SHORT)).unwrap();
    let answered = (0..REQUESTS).take_while(|_| {
        client.send(b"ping").unwrap();
        client.recv(&mut [0; 16]).is_ok()
    });
    (connections, u32::try_from(answered.count()).unwrap())
}

/// All are answered under an empty allowlist, and what the server begins itself is refused.
fn is_answered(rig: &Rig, namespace: &Netns, server: &Server) {
    for way in ["none", "auto"] {
        let mut agent = rig.agent_with(&policy(PLAIN, &[]), &["--tc", way]).unwrap();

        let answered = thread::scope(|scope| {
            scope.spawn(|| server.serve());
            ask(rig)
        });

        let status = agent.status().unwrap();
        assert_eq!(answered, (CONNECTIONS, REQUESTS), "--tc {way}: {status:#}");
        assert_eq!(dropped(&status, "no-rule"), 0, "--tc {way}: {status:#}");
        let own = Probe::tcp(WORLD_V4, 443).patience(Duration::from_millis(500));
        let report = rig.probe_from(namespace, &own).unwrap();
        assert!(report.is_refused(), "--tc {way}: {report}");
        agent.kill().unwrap();
        assert!(agent.cli(&["unload"]).unwrap().status.success());
    }
}

#[test]
fn a_process_of_the_node_behind_a_translated_port_answers() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    translate(&rig, CLIENT_V4, false);
    let server = Server::make(&rig, &rig.client);

    is_answered(&rig, &rig.client, &server);
}

#[test]
fn a_pod_behind_a_translated_port_answers() {
    require_privilege!();
    for is_masked in [false, true] {
        let rig = Rig::make().unwrap();
        let pod = pod(&rig);
        translate(&rig, POD, is_masked);
        let server = Server::make(&rig, &pod);
        // The new devices carry.
        wait::until_true("the pod to be reached", PATIENCE, || {
            let reached = pod.run(|| {
                let socket = UdpSocket::bind((POD, 0))?;
                socket.connect((Ipv4Addr::new(10, 244, 0, 1), 9))?;
                socket.set_read_timeout(Some(Duration::from_millis(100)))?;
                socket.send(b"ping")?;
                Ok(socket
                    .recv(&mut [0; 4])
                    .is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused))
            });
            reached.unwrap()
        })
        .unwrap();

        is_answered(&rig, &pod, &server);
    }
}
