//! What the tests are written with.

pub(crate) mod certificates;
mod check;
mod client;
pub(crate) mod gateway;
pub(crate) mod h2;
pub(crate) mod local;
mod message;
pub(crate) mod process;
pub(crate) mod provider;
pub(crate) mod proxy;
pub(crate) mod tls;
pub(crate) mod tokens;
pub(crate) mod upstream;

pub(crate) use client::Connection;
pub(crate) use gateway::{GatewayBuilder, TestGateway};
pub(crate) use message::{Reply, Request};
pub(crate) use tokens::{alice, claims, mint};
pub(crate) use upstream::{Received, Step, Upstream, answer};
