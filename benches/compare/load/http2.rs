//! HTTP/2 over TLS: several streams on each connection, each asking again as soon as it is answered.

use std::rc::Rc;

use bytes::Bytes;
use h2::client::SendRequest;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Method, Request, Version};
use tokio::task::{JoinHandle, spawn_local};

use crate::Outcome;
use crate::closed::Share;

/// Bytes that may be under way, of a stream and of a connection: no response of ours waits for a window.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;

/// A new connection and its streams.
pub(crate) async fn start(share: &Rc<Share>, streams: u32) -> Outcome<Vec<JoinHandle<()>>> {
    let stream = share.target.handshake().await?;
    let (sender, connection) = h2::client::Builder::new()
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .enable_push(false)
        .handshake::<_, Bytes>(stream)
        .await?;
    spawn_local(async move {
        // Its end shows in the streams.
        let _ = connection.await;
    });
    let tasks = (0..streams).map(|_| {
        let (share, sender) = (Rc::clone(share), sender.clone());
        spawn_local(async move {
            if ask_for_ever(&share, sender).await.is_err() {
                share.broken();
            }
        })
    });
    Ok(tasks.collect())
}

async fn ask_for_ever(share: &Share, sender: SendRequest<Bytes>) -> Outcome<()> {
    let mut sender = sender.ready().await?;
    while let Some((path, token)) = share.next() {
        let mut request = Request::builder()
            .version(Version::HTTP_2)
            .uri(format!("https://localhost{path}"))
            .header("user-agent", "load")
            .header("accept", "*/*");
        if !token.is_empty() {
            let mut field = Vec::with_capacity(token.len() + 7);
            field.extend_from_slice(b"Bearer ");
            field.extend_from_slice(token);
            request = request.header(
                AUTHORIZATION,
                HeaderValue::from_maybe_shared(Bytes::from(field))?,
            );
        }
        if share.upload > 0 {
            request = request.method(Method::POST);
        }
        let (response, mut content) = sender.send_request(request.body(())?, share.upload == 0)?;
        if share.upload > 0 {
            content.send_data(vec![b'x'; share.upload].into(), true)?;
        }
        let mut response = response.await?;
        let status = response.status().as_u16();
        let body = response.body_mut();
        while let Some(chunk) = body.data().await {
            let length = chunk?.len();
            body.flow_control().release_capacity(length)?;
        }
        share.answer(status);
        sender = sender.ready().await?;
    }
    Ok(())
}
