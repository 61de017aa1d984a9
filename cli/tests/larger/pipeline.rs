//! The parts of the setup as processes on loopback, and how a test talks to them.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::throughline;

/// The variables that name the Python environment, the Collector's program and the class path of
/// the broker.
const VARIABLES: [&str; 3] =
    ["THROUGHLINE_BACKENDS_PYTHON", "THROUGHLINE_BACKENDS_COLLECTOR", "THROUGHLINE_BACKENDS_KAFKA"];
/// Nothing takes that long unless it hangs, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);
/// The broker of the example. Its settings are read from here.
const COMPOSE: &str = include_str!("../../../examples/backends/otel-collector/larger/compose.yaml");
/// The tables, and the view that fills one of them.
const TABLES: u64 = 9;

/// A part of the setup, and where it listens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Part {
    Kafka,
    ClickHouse,
    Edge,
    /// Listens nowhere.
    Store,
}

pub(super) struct Pipeline {
    dir: tempfile::TempDir,
    /// The values of [`VARIABLES`].
    programs: [OsString; 3],
    /// For the first three parts, and for the broker's controller.
    ports: [u16; 4],
    running: Vec<(Part, Process)>,
}

/// A process that ends with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Ports below those that the system gives to connections. With one of those, what keeps
/// connecting to a broker that is down may at last be connected to itself.
fn ports<const N: usize>() -> [u16; N] {
    let begin = u16::try_from(std::process::id() % 1_200).unwrap() * 10 + 20_000;
    let mut found = (begin..32_000).filter(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok());
    [(); N].map(|()| found.next().unwrap())
}

/// A request for JSON on a connection of its own.
pub(super) fn request(path: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    let head = "host: 127.0.0.1\r\nconnection: close\r\ncontent-type: application/json";
    format!("POST {path} HTTP/1.1\r\n{head}\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes()
}

/// Sends a request, and returns the status and the body of the answer.
pub(super) fn send(address: SocketAddr, path: &str, body: &str, patience: Duration) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(patience))?;
    stream.write_all(&request(path, body))?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(std::io::ErrorKind::UnexpectedEof)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok((status.ok_or(std::io::ErrorKind::InvalidData)?, body.to_owned()))
}

impl Pipeline {
    /// Starts everything, or says that the test is skipped.
    pub(super) fn start() -> Option<Self> {
        let programs = VARIABLES.map(std::env::var_os);
        if let Some(missing) = programs.iter().position(Option::is_none) {
            let missing = VARIABLES[missing];
            println!("skipped: {missing} is not set; `cargo xtask test --only backends` sets it");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let mut pipeline = Self { dir, programs: programs.map(Option::unwrap), ports: ports(), running: Vec::new() };
        pipeline.format_kafka();
        for part in [Part::ClickHouse, Part::Kafka, Part::Edge, Part::Store] {
            pipeline.run(part);
        }
        pipeline.wait("the exporter has made its tables", || {
            let count = pipeline.rows("SELECT count() AS n FROM system.tables WHERE database = 'throughline'");
            (count[0]["n"].as_u64() == Some(TABLES)).then_some(())
        });
        Some(pipeline)
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(super) fn address(&self, part: Part) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.ports[part as usize]).into()
    }

    /// Starts a part and waits until it listens.
    pub(super) fn run(&mut self, part: Part) {
        let mut command = match part {
            Part::Kafka => self.kafka("kafka.Kafka", &[]),
            Part::ClickHouse => {
                let mut python = Command::new(Path::new(&self.programs[0]).join("bin/python"));
                python.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/larger/clickhouse.py"));
                python.arg(self.address(part).port().to_string()).arg(self.dir.path());
                python
            }
            Part::Edge => {
                let address = self.address(part);
                self.collector(
                    "edge.yaml",
                    &format!("receivers: {{otlp: {{protocols: {{http: {{endpoint: \"{address}\"}}}}}}}}\n"),
                )
            }
            Part::Store => self.collector("store.yaml", ""),
        };
        let log = File::options().create(true).append(true).open(self.file(&format!("{part:?}.log"))).unwrap();
        command.current_dir(self.dir.path()).stdout(log.try_clone().unwrap()).stderr(log);
        self.running.push((part, Process(command.spawn().unwrap())));
        if part != Part::Store {
            self.wait(&format!("{part:?} listens"), || TcpStream::connect(self.address(part)).ok());
        }
    }

    /// Kills a part, as the system does.
    pub(super) fn kill(&mut self, part: Part) {
        self.running.retain(|(running, _)| *running != part);
    }

    /// A Collector with a file of the example. What differs is where it listens, and that two on
    /// one machine cannot both offer their own metrics.
    fn collector(&self, name: &str, more: &str) -> Command {
        let own = self.file(&format!("own-{name}"));
        std::fs::write(&own, format!("{more}service: {{telemetry: {{metrics: {{level: none}}}}}}\n")).unwrap();
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/backends/otel-collector/larger");
        let mut command = Command::new(&self.programs[1]);
        command.arg("--config").arg(example.join(name)).arg("--config").arg(own);
        command.env("KAFKA_BROKERS", self.address(Part::Kafka).to_string());
        command.env("CLICKHOUSE_URL", format!("http://{}?compress=none", self.address(Part::ClickHouse)));
        command
    }

    fn kafka(&self, class: &str, arguments: &[&str]) -> Command {
        let mut java = Command::new("java");
        // It runs for half a minute: the better compiler would not pay.
        java.args(["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"]).arg(&self.programs[2]);
        java.arg(class).args(arguments).arg(self.file("server.properties"));
        java
    }

    /// Writes the settings of the broker and prepares its directory. The image of the example makes
    /// settings of its variables in the same way.
    fn format_kafka(&self) {
        let [broker, _, _, controller] = self.ports;
        let mut settings = String::new();
        for line in COMPOSE.lines().filter(|line| !line.contains("KAFKA_BROKERS")) {
            let Some((name, value)) = line.trim().strip_prefix("KAFKA_").and_then(|line| line.split_once(": ")) else {
                continue;
            };
            let value = value.trim_matches('"').replace("kafka:909", ":909").replace("1@:", "1@127.0.0.1:");
            let value = value.replace("://:", "://127.0.0.1:").replace(":9092", &format!(":{broker}"));
            let value = value.replace(":9093", &format!(":{controller}"));
            let value = value.replace("/var/lib/kafka", self.dir.path().to_str().unwrap());
            settings.push_str(&format!("{}={value}\n", name.to_lowercase().replace('_', ".")));
        }
        std::fs::write(self.file("server.properties"), settings).unwrap();
        let format = ["format", "--cluster-id", "dGhyb3VnaGxpbmUtdGVzdA", "--config"];
        let output = self.kafka("kafka.tools.StorageTool", &format).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// The bytes of events that the broker has.
    pub(super) fn kafka_size(&self) -> u64 {
        let folders = std::fs::read_dir(self.file("data")).unwrap().flatten();
        let of_events = folders.filter(|folder| folder.file_name().to_string_lossy().starts_with("throughline."));
        let files = of_events.flat_map(|folder| std::fs::read_dir(folder.path()).unwrap().flatten());
        let logs = files.filter(|file| file.file_name().to_string_lossy().ends_with(".log"));
        logs.map(|file| file.metadata().unwrap().len()).sum()
    }

    pub(super) fn emit_command(&self, data: &Path, arguments: &[&str]) -> Command {
        let mut command = throughline();
        command.args(["emit", "--json", "--backend", "otlp-proto", "--endpoint"]);
        command.arg(format!("http://{}", self.address(Part::Edge))).arg("--data-dir").arg(data).args(arguments);
        command
    }

    pub(super) fn emit(&self, data: &Path, arguments: &[&str]) -> Output {
        self.emit_command(data, arguments).stdin(Stdio::null()).output().unwrap()
    }

    /// Posts to a path of the program that stands for ClickHouse.
    pub(super) fn clickhouse(&self, path: &str, body: &str) -> String {
        let (status, answer) = send(self.address(Part::ClickHouse), &format!("/{path}"), body, PATIENCE).unwrap();
        assert_eq!(status, 200, "{body}: {answer}");
        answer
    }

    /// The answer to a statement, by the names of its columns.
    pub(super) fn rows(&self, statement: &str) -> Vec<Value> {
        let mut answer: Value = serde_json::from_str(&self.clickhouse("sql", statement)).unwrap();
        serde_json::from_value(answer["data"].take()).unwrap()
    }

    pub(super) fn wait<T>(&self, what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = attempt() {
                println!("{:>6.1} s  {what}", begun.elapsed().as_secs_f64());
                return found;
            }
            assert!(begun.elapsed() < PATIENCE, "it never came about: {what}\n{}", self.logs());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The ends of what the parts have said.
    fn logs(&self) -> String {
        let end = |(part, _): &(Part, Process)| {
            let log = std::fs::read_to_string(self.file(&format!("{part:?}.log"))).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            format!("{part:?}:\n{}\n", lines[lines.len().saturating_sub(20)..].join("\n"))
        };
        self.running.iter().map(end).collect()
    }
}
