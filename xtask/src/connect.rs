//! The servers that take what the Connect exporter sends: connect-node's, which is generated from
//! the protobuf file, and the one of the examples.

use std::process::Command;

use anyhow::Result;

use crate::steps::{run, step};
use crate::tools::ensure_program;

/// The variable that says that the peers are installed, so that no test may be left out.
pub(crate) const PEERS: &str = "THROUGHLINE_PEERS";

/// The folder of connect-node's server.
const PEER: &str = "tests/peers/connect";
/// The protobuf file's folder, as it is seen from there.
const PROTO: &str = "../../../proto";

/// Checks the protobuf file and generates connect-node's server from it, for the tests.
pub(crate) fn connect_node() -> Result<()> {
    ensure_program("npm", &["nodejs", "npm"])?;
    let in_peer = |program: &str| {
        let mut command = Command::new(program);
        command.current_dir(PEER);
        command
    };
    step("connect-node", in_peer("npm").args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]))?;
    step("lint of the protobuf file", in_peer("npx").args(["buf", "lint", PROTO]))?;
    step("code for connect-node", in_peer("npx").args(["buf", "generate", "--template", "buf.gen.yaml", PROTO]))
}

/// Tests the server of the examples with a real client.
pub(crate) fn telemetry_service() -> Result<()> {
    run("telemetry service", &["test", "--quiet", "--manifest-path", "examples/telemetry-service/Cargo.toml"])
}
