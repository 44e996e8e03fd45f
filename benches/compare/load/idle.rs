//! Connections that have had one answer and are then left alone, until standard input ends.

use std::io::Read as _;

use serde_json::json;

use crate::Outcome;
use crate::arguments::Idle;
use crate::http1::{exchange, write_request};
use crate::report::tell;
use crate::target::Target;

pub(crate) fn run(arguments: &Idle) -> Outcome<()> {
    let target = Target::new(&arguments.to, false)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut request = Vec::new();
    write_request(&mut request, &arguments.to.path, b"", 0);
    let held = runtime.block_on(async {
        let mut held = Vec::new();
        let mut room = vec![0; 128 * 1024];
        // One after the other: the proxy needs no second connection to the upstream for them.
        for _ in 0..arguments.to.connections {
            let mut stream = target.connect().await?;
            exchange(&mut *stream, &request, &mut room).await?;
            held.push(stream);
        }
        Outcome::Ok(held)
    })?;
    tell(&json!({ "event": "begin", "held": held.len() }))?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
