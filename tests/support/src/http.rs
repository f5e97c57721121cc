//! HTTP/1.1 by hand, for requests that a well-behaved client cannot send: slow, partial, with any
//! bytes in a header.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::process::PATIENCE;

/// A request, byte for byte as it goes out. Only `Host` and `Content-Length` are added, unless
/// given.
#[derive(Debug, Clone)]
pub struct Request {
    method: Vec<u8>,
    target: Vec<u8>,
    headers: Vec<(Vec<u8>, Vec<u8>)>,
    body: Vec<u8>,
}

impl Request {
    /// `POST target`
    pub fn post(target: impl AsRef<[u8]>) -> Self {
        Self::new("POST", target)
    }

    /// Any method.
    pub fn new(method: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        Self {
            method: method.as_ref().to_vec(),
            target: target.as_ref().to_vec(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// Adds a header; the value may hold any bytes, and a name may come twice.
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.as_ref().to_vec(), value.as_ref().to_vec()));
        self
    }

    /// Adds headers, such as those of [`sign`](crate::sign).
    pub fn headers<N: AsRef<[u8]>, V: AsRef<[u8]>>(self, headers: impl IntoIterator<Item = (N, V)>) -> Self {
        headers.into_iter().fold(self, |request, (name, value)| request.header(name, value))
    }

    /// The body.
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self
    }

    /// Sends it on a connection of its own and reads the response.
    pub async fn send(&self, server: SocketAddr) -> io::Result<Response> {
        let mut connection = Connection::open(server).await?;
        connection.write(&self.head()).await?;
        // A server that refuses early may close before it has read the body; its answer counts.
        let written = connection.write(&self.body).await;
        match connection.response().await {
            Ok(response) => Ok(response),
            Err(error) => Err(written.err().unwrap_or(error)),
        }
    }

    /// The bytes up to and with the empty line.
    pub fn head(&self) -> Vec<u8> {
        let mut head = [&self.method[..], b" ", &self.target, b" HTTP/1.1\r\n"].concat();
        let mut line = |name: &[u8], value: &[u8]| head.extend([name, b": ", value, b"\r\n"].concat());
        if !self.has("host") {
            line(b"Host", b"localhost");
        }
        if !self.has("content-length") && !self.has("transfer-encoding") {
            line(b"Content-Length", self.body.len().to_string().as_bytes());
        }
        for (name, value) in &self.headers {
            line(name, value);
        }
        head.extend(b"\r\n");
        head
    }

    fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes()))
    }
}

/// A connection to write to and read from in any order and at any speed.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    /// Read, and not yet part of a response.
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub async fn open(server: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::new() })
    }

    /// Writes these bytes now.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Writes these bytes one at a time, with a pause between two.
    pub async fn write_slowly(&mut self, bytes: &[u8], pause: std::time::Duration) -> io::Result<()> {
        for byte in bytes {
            self.write(std::slice::from_ref(byte)).await?;
            tokio::time::sleep(pause).await;
        }
        Ok(())
    }

    /// Says that nothing more will be written; the response can still be read.
    pub async fn finish_writing(&mut self) -> io::Result<()> {
        self.stream.shutdown().await
    }

    /// Reads the next response; interim ones (`100 Continue`) are passed over.
    pub async fn response(&mut self) -> io::Result<Response> {
        loop {
            let response = self.any_response().await?;
            if response.status >= 200 {
                return Ok(response);
            }
        }
    }

    /// Reads the next response, an interim one too.
    pub async fn any_response(&mut self) -> io::Result<Response> {
        let head = self.read_head().await?;
        let (status, headers) = parse_head(&head).ok_or_else(|| malformed(&head))?;
        let mut response = Response { status, headers, body: Vec::new() };
        if status >= 200 && status != 204 && status != 304 {
            response.body = self.read_body(&response).await?;
        }
        Ok(response)
    }

    /// Whether the server closes the connection rather than send something or stay silent.
    pub async fn is_closed(&mut self) -> bool {
        if !self.buffer.is_empty() {
            return false;
        }
        match self.fill().await {
            Ok(read) => read == 0,
            Err(error) => error.kind() != io::ErrorKind::TimedOut,
        }
    }

    async fn read_head(&mut self) -> io::Result<Vec<u8>> {
        loop {
            if let Some(end) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                return Ok(self.take(end + 4));
            }
            self.fill_some().await?;
        }
    }

    async fn read_body(&mut self, response: &Response) -> io::Result<Vec<u8>> {
        if response.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
            return self.read_chunks().await;
        }
        if let Some(length) = response.header("content-length") {
            let length = length.parse().map_err(|_| malformed(length.as_bytes()))?;
            return self.read_exact(length).await;
        }
        while self.fill().await? > 0 {}
        Ok(std::mem::take(&mut self.buffer))
    }

    async fn read_chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.read_line().await?;
            let length = usize::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16)
                .map_err(|_| malformed(line.as_bytes()))?;
            if length == 0 {
                // Trailers, up to the empty line.
                while !self.read_line().await?.is_empty() {}
                return Ok(body);
            }
            body.extend(self.read_exact(length).await?);
            self.read_line().await?;
        }
    }

    async fn read_line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|window| window == b"\r\n") {
                let line = self.take(end + 2);
                return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            self.fill_some().await?;
        }
    }

    async fn read_exact(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() < length {
            self.fill_some().await?;
        }
        Ok(self.take(length))
    }

    async fn fill_some(&mut self) -> io::Result<()> {
        if self.fill().await? == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    /// A server that says nothing fails a test; it does not hang it.
    async fn fill(&mut self) -> io::Result<usize> {
        match timeout(PATIENCE, self.stream.read_buf(&mut self.buffer)).await {
            Ok(read) => read,
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, format!("no answer in {PATIENCE:?}"))),
        }
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        self.buffer.drain(..length).collect()
    }
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Response {
    /// 200, 401 …
    pub status: u16,
    /// In order, names as sent.
    pub headers: Vec<(String, String)>,
    /// Without the transfer encoding.
    pub body: Vec<u8>,
}

impl Response {
    /// The first header of this name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

fn parse_head(head: &[u8]) -> Option<(u16, Vec<(String, String)>)> {
    let head = String::from_utf8_lossy(head);
    let mut lines = head.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok()?;
    let headers = lines.take_while(|line| !line.is_empty()).map(|line| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_owned(), value.trim().to_owned()))
    });
    Some((status, headers.collect::<Option<_>>()?))
}

fn malformed(bytes: &[u8]) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("no HTTP: {:?}", String::from_utf8_lossy(bytes)))
}
