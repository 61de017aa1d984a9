//! Who may talk to the inspector: no web page but its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use super::{Inspector, throughline};

const PATHS: [&str; 8] =
    ["/", "/session/s", "/trace/t", "/api/stats", "/api/sessions", "/metrics", "/health/live", "/nowhere"];

/// Sends a request as it stands. Returns the status and the whole answer.
fn raw(address: &str, request: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    let _ = stream.write_all(request.as_bytes());
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    (answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default(), answer)
}

fn get(inspector: &Inspector, path: &str, headers: &str) -> (u16, String) {
    let address = inspector.url.strip_prefix("http://").unwrap();
    raw(address, &format!("GET {path} HTTP/1.1\r\n{headers}connection: close\r\n\r\n"))
}

fn post(inspector: &Inspector, path: &str, headers: &str) -> (u16, String) {
    let address = inspector.url.strip_prefix("http://").unwrap();
    let head = format!("POST {path} HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: 2\r\n");
    raw(address, &format!("{head}{headers}connection: close\r\n\r\n{{}}"))
}

#[test]
fn a_page_whose_name_leads_to_this_machine_reads_and_writes_nothing() {
    let inspector = Inspector::start(&[]);
    for host in ["evil.example", "evil.example:4318", "localhost.evil.example", "127.0.0.1.evil.example", ""] {
        for path in PATHS {
            let (status, answer) = get(&inspector, path, &format!("host: {host}\r\n"));
            assert!(status == 421 && answer.contains("--allow-host"), "{host} {path}: {answer}");
            assert!(answer.contains("content-type: text/plain"), "{answer}");
        }
        for path in ["/v1/logs", "/v1/traces", "/v1/metrics"] {
            assert_eq!(post(&inspector, path, &format!("host: {host}\r\n")).0, 421, "{host} {path}");
        }
    }
    // A second `Host`, and a target that names another server.
    assert_eq!(get(&inspector, "/", "host: localhost\r\nhost: evil.example\r\n").0, 421);
    assert_eq!(get(&inspector, "http://evil.example/", "host: localhost\r\n").0, 421);
    assert_eq!(get(&inspector, "/", "").0, 400);
    assert_eq!(inspector.stats()["requests"], 0);
}

#[test]
fn clients_on_this_machine_and_in_emulators_are_served() {
    let inspector = Inspector::start(&["--allow-host", "my-mac.local"]);
    for host in
        ["localhost", "LocalHost:4318", "app.localhost", "127.0.0.1:1", "[::1]:4318", "10.0.2.2:4318", "my-mac.local"]
    {
        assert_eq!(get(&inspector, "/", &format!("host: {host}\r\n")).0, 200, "{host}");
        assert_eq!(post(&inspector, "/v1/logs", &format!("host: {host}\r\n")).0, 200, "{host}");
    }
    let address = inspector.url.strip_prefix("http://").unwrap();
    assert_eq!(raw(address, "GET / HTTP/1.0\r\n\r\n").0, 200);
}

#[test]
fn a_page_of_another_site_cannot_post_what_the_developer_then_sees() {
    let inspector = Inspector::start(&[]);
    for origin in ["https://evil.example", "null", "http://localhost.evil.example", "chrome-extension://abc"] {
        let headers = format!("host: localhost\r\norigin: {origin}\r\n");
        let (status, answer) = post(&inspector, "/v1/logs", &headers);
        assert!(status == 403 && answer.contains("origin"), "{origin}: {answer}");
        assert_eq!(get(&inspector, "/api/sessions", &headers).0, 403, "{origin}");
    }
    for origin in ["http://localhost:3000", "http://127.0.0.1:4318"] {
        assert_eq!(post(&inspector, "/v1/logs", &format!("host: localhost\r\norigin: {origin}\r\n")).0, 200);
    }
}

#[test]
fn a_foreign_page_orders_nothing_from_the_sample_backend() {
    let mut command = throughline();
    command.args(["inspect", "--port", "0", "--json", "--sample-backend", "--allow-host", "my-mac.local"]);
    let inspector = Inspector::of(command);
    let backend = inspector.backend.strip_prefix("http://").unwrap();
    for (headers, status) in [
        ("host: evil.example\r\n", 421),
        ("host: localhost\r\norigin: https://evil.example\r\n", 403),
        ("host: 10.0.2.2:80\r\n", 200),
        ("host: my-mac.local\r\n", 200),
    ] {
        let request = format!("GET /api/items/1 HTTP/1.1\r\n{headers}connection: close\r\n\r\n");
        assert_eq!(raw(backend, &request).0, status, "{headers}");
    }
}

#[test]
fn localhost_that_is_ipv6_reaches_the_inspector() {
    let inspector = Inspector::start(&[]);
    let port = inspector.url.rsplit(':').next().unwrap();
    let address = format!("[::1]:{port}");
    // A machine without IPv6 has no such address.
    if TcpStream::connect(&address).is_ok() || std::net::TcpListener::bind(("::1", 0)).is_ok() {
        let (status, answer) =
            raw(&address, &format!("GET / HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"));
        assert_eq!(status, 200, "{answer}");
    }
}

#[test]
fn a_page_of_another_site_loads_nothing_and_may_lead_here() {
    let inspector = Inspector::start(&[]);
    let address = inspector.url.strip_prefix("http://").unwrap();
    let fetched = |path: &str, site: &str, mode: &str, dest: &str| {
        let fetch = format!("sec-fetch-site: {site}\r\nsec-fetch-mode: {mode}\r\nsec-fetch-dest: {dest}\r\n");
        get(&inspector, path, &format!("host: {address}\r\n{fetch}"))
    };
    for path in PATHS {
        for (mode, dest) in [("no-cors", "image"), ("no-cors", "script"), ("navigate", "iframe"), ("cors", "empty")] {
            assert_eq!(fetched(path, "cross-site", mode, dest).0, 403, "{path} {mode} {dest}");
        }
    }
    assert_eq!(fetched("/", "cross-site", "navigate", "document").0, 200);
    assert_eq!(fetched("/", "none", "navigate", "document").0, 200);
    let (status, answer) = fetched("/api/stats", "same-origin", "cors", "empty");
    assert!(status == 200 && answer.contains("cross-origin-opener-policy: same-origin"), "{answer}");
}

#[test]
fn a_port_that_another_program_has_on_ipv6_is_said() {
    let Ok(other) = std::net::TcpListener::bind(("::1", 0)) else { return };
    let port = other.local_addr().unwrap().port();
    let mut child = throughline().args(["inspect", "--json", "--port", &port.to_string()]).spawn().unwrap();
    let mut said = String::new();
    let _ = BufReader::new(child.stderr.take().unwrap()).read_line(&mut said);
    let _ = child.kill();
    let _ = child.wait();
    // Another test may have the port on IPv4: then the inspector has not started.
    let is_said = said.contains(&format!("another program listens on [::1]:{port}"));
    assert!(is_said || said.contains("cannot listen on port"), "{said}");
}

/// Another address of this machine that no other machine reaches. Only Linux has it.
#[cfg(target_os = "linux")]
const ELSEWHERE: &str = "127.0.0.2";

#[cfg(target_os = "linux")]
#[test]
fn a_device_in_the_network_sends_below_a_secret_path_and_sees_nothing() {
    let inspector = Inspector::start(&["--host", ELSEWHERE]);
    let url = &inspector.device_url;
    let (address, token) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    assert!(address.starts_with(ELSEWHERE) && token.len() == 32, "{url}");
    let ask = |head: &str| raw(address, &format!("{head}host: {address}\r\nconnection: close\r\n\r\n{{}}"));
    let send =
        |path: &str| ask(&format!("POST {path} HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: 2\r\n")).0;
    assert_eq!(send(&format!("/{token}/v1/logs")), 200);
    for path in ["/v1/logs", "/wrong/v1/logs", "//v1/logs", &format!("/{token}x/v1/logs")] {
        assert_eq!(send(path), 403, "{path}");
    }
    for path in PATHS {
        for prefix in ["", &format!("/{token}")] {
            let (status, answer) = ask(&format!("GET {prefix}{path} HTTP/1.1\r\n"));
            assert!(matches!(status, 403 | 404), "{prefix}{path}: {answer}");
        }
    }
    assert_eq!(inspector.stats()["requests"], 1);
    // The path at the usual address is none.
    assert_ne!(post(&inspector, &format!("/{token}/v1/logs"), "host: localhost\r\n").0, 200);
}

#[test]
fn an_address_for_devices_is_refused_if_it_is_none_or_if_its_secret_can_be_guessed() {
    for (arguments, said) in [
        (&["--host", "127.0.0.1"][..], "without --host"),
        (&["--host", "0.0.0.0"], "one interface"),
        (&["--host", "192.0.2.1"], "an address of this machine"),
        (&["--host", "127.0.0.2", "--token", "short"], "at least 16"),
        (&["--token", "0123456789abcdef"], "--host"),
    ] {
        let output = throughline().args(["inspect", "--port", "0"]).args(arguments).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && text.contains(said), "{arguments:?}: {text}");
    }
}
