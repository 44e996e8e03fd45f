//! An upstream in this process: it answers every request with the fields that it received.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value, json};

use crate::cli::failure::Failure;

/// The echo, on a thread of its own until the process ends.
#[derive(Debug)]
pub(super) struct Echo {
    address: SocketAddr,
}

impl Echo {
    /// Starts it on a free loopback port.
    ///
    /// # Errors
    /// When there is no port or no thread.
    pub(super) fn start() -> Result<Self, Failure> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        std::thread::Builder::new()
            .name("echo".to_owned())
            .spawn(move || runtime.block_on(serve(listener)))?;
        Ok(Self { address })
    }

    /// Its URL.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn serve(listener: TcpListener) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
        return;
    };
    loop {
        // Out of file descriptors, most likely: a moment later there may be one.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        tokio::spawn(async move {
            // A connection that breaks is the gateway's to report.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service_fn(answer))
                .await;
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, mut body) = request.into_parts();
    let mut body_bytes = 0;
    // Counted and dropped part by part: an upload of any size fits.
    while let Some(Ok(frame)) = body.frame().await {
        body_bytes += frame.data_ref().map_or(0, Bytes::len);
    }
    let shown = json!({
        "method": head.method.as_str(),
        "path": head.uri.to_string(),
        "fields": fields(&head.headers),
        "body_bytes": body_bytes,
    });
    let mut response = Response::new(Full::new(Bytes::from(format!("{shown:#}\n"))));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// By name: a string for one line, an array for several.
fn fields(headers: &HeaderMap) -> Value {
    let mut fields = Map::new();
    for name in headers.keys() {
        let mut lines: Vec<Value> = headers
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into())
            .collect();
        let value = match lines.len() {
            1 => lines.remove(0),
            _ => Value::Array(lines),
        };
        fields.insert(name.as_str().to_owned(), value);
    }
    Value::Object(fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpStream;

    #[test]
    fn it_shows_method_path_fields_and_body_length() {
        let echo = Echo::start().unwrap();
        let mut stream = TcpStream::connect(echo.address).unwrap();
        stream
            .write_all(
                b"PURGE /a?b=c HTTP/1.1\r\nHost: app\r\nX-Auth-Roles: a\r\nX-Auth-Roles: b\r\n\
                  Content-Length: 5\r\nConnection: close\r\n\r\nhello",
            )
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        let shown: Value = serde_json::from_str(body).unwrap();
        assert_eq!(shown["method"], "PURGE");
        assert_eq!(shown["path"], "/a?b=c");
        assert_eq!(shown["fields"]["host"], "app");
        assert_eq!(shown["fields"]["x-auth-roles"], json!(["a", "b"]));
        assert_eq!(shown["body_bytes"], 5);
    }
}
