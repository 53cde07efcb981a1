//! Name servers on loopback for tests, answering by script over UDP and TCP.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hickory_resolver::proto::{
    op::{Message, ResponseCode},
    rr::{Name, RData, Record, RecordType, rdata},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, UdpSocket},
    task::JoinSet,
};

/// How a question came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    Udp,
    Tcp,
}

/// What is sent back for a question; nothing: silence.
pub(super) type Script = fn(Over, &Message) -> Vec<Message>;

/// A server, gone when dropped.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    questions: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Server {
    /// Answers at once.
    pub(super) async fn start(script: Script) -> Self {
        Self::start_after(Duration::ZERO, script).await
    }

    /// Answers after a while.
    pub(super) async fn start_after(delay: Duration, script: Script) -> Self {
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
                break (Arc::new(udp), tcp);
            }
        };
        let address = udp.local_addr().unwrap();
        let questions = Arc::new(AtomicUsize::new(0));
        let mut tasks = JoinSet::new();
        tasks.spawn(serve_udp(udp, Arc::clone(&questions), delay, script));
        tasks.spawn(serve_tcp(tcp, Arc::clone(&questions), script));
        Self { address, questions, _tasks: tasks }
    }

    /// Questions received.
    pub(super) fn questions(&self) -> usize {
        self.questions.load(Ordering::Relaxed)
    }
}

async fn serve_udp(udp: Arc<UdpSocket>, count: Arc<AtomicUsize>, delay: Duration, script: Script) {
    let mut buffer = [0; 4_096];
    let mut answers = JoinSet::new();
    loop {
        let (length, from) = udp.recv_from(&mut buffer).await.unwrap();
        count.fetch_add(1, Ordering::Relaxed);
        let question = Message::from_vec(&buffer[..length]).unwrap();
        let udp = Arc::clone(&udp);
        answers.spawn(async move {
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            for answer in script(Over::Udp, &question) {
                udp.send_to(&answer.to_vec().unwrap(), from).await.unwrap();
            }
        });
        while answers.try_join_next().is_some() {}
    }
}

async fn serve_tcp(tcp: TcpListener, count: Arc<AtomicUsize>, script: Script) {
    let mut connections = JoinSet::new();
    loop {
        let (mut stream, _) = tcp.accept().await.unwrap();
        let count = Arc::clone(&count);
        connections.spawn(async move {
            while let Ok(length) = stream.read_u16().await {
                let mut buffer = vec![0; length.into()];
                stream.read_exact(&mut buffer).await.unwrap();
                count.fetch_add(1, Ordering::Relaxed);
                let question = Message::from_vec(&buffer).unwrap();
                for answer in script(Over::Tcp, &question) {
                    let bytes = answer.to_vec().unwrap();
                    stream.write_u16(bytes.len().try_into().unwrap()).await.unwrap();
                    stream.write_all(&bytes).await.unwrap();
                }
            }
        });
    }
}

/// An answer to a question.
pub(super) fn answer(question: &Message, code: ResponseCode, records: &[Record]) -> Message {
    let mut message = Message::response(question.metadata.id, question.metadata.op_code);
    message.metadata.response_code = code;
    message.add_queries(question.queries.clone());
    message.add_answers(records.to_vec());
    message
}

/// An answer without an error.
pub(super) fn good(question: &Message, records: &[Record]) -> Vec<Message> {
    vec![answer(question, ResponseCode::NoError, records)]
}

/// An answer to a question for A records; none to any other.
pub(super) fn good_v4(question: &Message, last: u8, ttl: u32) -> Vec<Message> {
    let asked = &question.queries[0];
    let record = a(&asked.name().to_ascii(), ttl, last);
    good(
        question,
        if asked.query_type() == RecordType::A { std::slice::from_ref(&record) } else { &[] },
    )
}

pub(super) fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

pub(super) fn a(owner: &str, ttl: u32, last: u8) -> Record {
    Record::from_rdata(name(owner), ttl, RData::A(rdata::A::new(192, 0, 2, last)))
}

pub(super) fn cname(owner: &str, ttl: u32, target: &str) -> Record {
    Record::from_rdata(name(owner), ttl, RData::CNAME(rdata::CNAME(name(target))))
}
