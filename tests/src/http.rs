//! One GET of HTTP/1.1, enough for a server on loopback.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::Context as _;

const PATIENCE: Duration = Duration::from_secs(5);

/// The code and body of an answer. It asks for the classic text format of metrics.
///
/// # Errors
///
/// That nobody answers in time, or with something else than HTTP.
pub fn get(server: SocketAddr, path: &str) -> anyhow::Result<(u16, String)> {
    let context = || format!("get http://{server}{path}");
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE).with_context(context)?;
    stream.set_read_timeout(Some(PATIENCE)).with_context(context)?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {server}\r\nAccept: text/plain\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).with_context(context)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).with_context(context)?;
    parse(&answer).with_context(context)
}

fn parse(answer: &str) -> anyhow::Result<(u16, String)> {
    let (head, body) = answer.split_once("\r\n\r\n").context("the answer has no end of head")?;
    let code = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    let is_chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    let body = if is_chunked { join_chunks(body) } else { body.to_owned() };
    Ok((code.context("the answer has no code")?, body))
}

/// The content of a chunked body (RFC 9112, 7.1), as far as it came.
fn join_chunks(mut rest: &str) -> String {
    let mut content = String::new();
    while let Some((size, behind)) = rest.split_once("\r\n") {
        let Ok(size) = usize::from_str_radix(size.trim(), 16) else { break };
        let Some(chunk) = behind.get(..size).filter(|chunk| !chunk.is_empty()) else { break };
        content.push_str(chunk);
        rest = behind.get(size..).unwrap_or_default().trim_start_matches("\r\n");
    }
    content
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn reads_plain_and_chunked_bodies() {
        let plain = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\na 1\n";
        let chunked =
            "HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na 1\r\n1\r\n\n\r\n0\r\n\r\n";

        assert_eq!(parse(plain).unwrap(), (200, "a 1\n".to_owned()));
        assert_eq!(parse(chunked).unwrap(), (503, "a 1\n".to_owned()));
    }

    #[test]
    fn refuses_an_answer_cut_in_its_head() {
        assert!(parse("HTTP/1.1 200 OK\r\nContent-").is_err());
    }
}
