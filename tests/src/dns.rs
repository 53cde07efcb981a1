//! DNS as a server speaks it, whoever knows the answers.

use std::{
    io::{self, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    thread,
};

use crate::service::{Stop, wake_up};

/// Answers what comes over TCP, each client in a thread of its own.
///
/// `answer` has a query and gives the answer; `None`: silence.
pub(crate) fn serve_streams(
    listener: &TcpListener,
    stop: &Stop,
    answer: impl Fn(&[u8]) -> Option<Vec<u8>> + Clone + Send + 'static,
) {
    while !stop.is_asked() {
        let Ok((stream, _)) = listener.accept() else { continue };
        let (answer, stop) = (answer.clone(), stop.clone());
        thread::spawn(move || serve_stream(stream, &stop, answer));
    }
}

/// One client after another query, as RFC 7766 allows.
fn serve_stream(
    mut stream: TcpStream,
    stop: &Stop,
    answer: impl Fn(&[u8]) -> Option<Vec<u8>>,
) -> Option<()> {
    wake_up(&stream).ok()?;
    while !stop.is_asked() {
        let mut prefix = [0; 2];
        match stream.read_exact(&mut prefix) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(_) => return None,
        }
        let mut query = vec![0; usize::from(u16::from_be_bytes(prefix))];
        stream.read_exact(&mut query).ok()?;
        // Silence is no answer and no end either: a client that sees the end knows at once.
        let Some(answer) = answer(&query) else { continue };
        let length = u16::try_from(answer.len()).ok()?;
        stream.write_all(&[&length.to_be_bytes(), answer.as_slice()].concat()).ok()?;
    }
    None
}
