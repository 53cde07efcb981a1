//! A Prometheus that runs with what is shipped, beside an agent.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use enforcer_tests::{Netns, Rig, http, wait};
use jiff::Timestamp;
use serde_json::Value;

use super::rules::{ALERTS, RECORDING, folder};

/// How long it may take to start, to scrape and to reckon.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
const ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9090);
const CONFIGURATION: &str = "prometheus.yaml";

/// A running server; killed on drop.
pub(crate) struct Prometheus<'a> {
    namespace: &'a Netns,
    child: Child,
}

impl<'a> Prometheus<'a> {
    /// Starts one beside the rig's agent, and waits until it answers. Nothing of the shipped
    /// configuration is changed but that it scrapes and reckons twice a second.
    pub(crate) fn start(rig: &'a Rig) -> Self {
        for file in [ALERTS, RECORDING] {
            rig.scratch().write(file, &fs::read_to_string(folder().join(file)).unwrap()).unwrap();
        }
        let shipped = fs::read_to_string(folder().join(CONFIGURATION)).unwrap();
        assert_eq!(shipped.matches("_interval: 15s").count(), 2, "{shipped}");
        let fast = shipped.replace("_interval: 15s", "_interval: 500ms");
        let file = rig.scratch().write(CONFIGURATION, &fast).unwrap();
        let (child, log) = spawn(&rig.client, rig.scratch().path(), &file);
        let mut server = Self { namespace: &rig.client, child };
        let ready = wait::until("Prometheus to answer", PATIENCE, || {
            if server.child.try_wait().unwrap().is_some() {
                return Some(false);
            }
            let answer = rig.client.run(|| http::get(ADDRESS, "/-/ready")).ok()?;
            (answer.0 == 200).then_some(true)
        });
        let said = || fs::read_to_string(&log).unwrap_or_default();
        assert!(ready.as_ref().is_ok_and(|it| *it), "{ready:?}\n{}", said());
        server
    }

    /// What an expression gives now: labels and value.
    pub(crate) fn query(&self, expression: &str) -> Vec<(Value, f64)> {
        let answer = self.get(&format!("/api/v1/query?query={}", encoded(expression)));
        assert_eq!(answer["data"]["resultType"], "vector", "{expression}");
        let samples = answer["data"]["result"].as_array().unwrap();
        let value = |sample: &Value| sample["value"][1].as_str().unwrap().parse().unwrap();
        samples.iter().map(|sample| (sample["metric"].clone(), value(sample))).collect()
    }

    /// Waits until an expression gives one series of this value.
    pub(crate) fn wait_for(&self, expression: &str, value: u64) {
        let mut last = Vec::new();
        let waited = wait::until_true("a value", PATIENCE, || {
            last = self.query(expression);
            // Counts of a test are exact in floating point.
            matches!(last[..], [(_, found)] if format!("{found}") == format!("{value}"))
        });
        assert!(waited.is_ok(), "{expression} is not {value}: {last:?}");
    }

    /// Every alert with its state, once all rules were reckoned with what is there now.
    pub(crate) fn alerts(&self) -> Vec<(String, String)> {
        let now = Timestamp::now();
        let rules = wait::until("all rules to be reckoned again", PATIENCE, || {
            let groups = self.get("/api/v1/rules")["data"]["groups"].as_array().unwrap().clone();
            let is_new = |group: &Value| {
                let when: Timestamp = group["lastEvaluation"].as_str().unwrap().parse().unwrap();
                when > now
            };
            let is_done = groups.len() == 2 && groups.iter().all(is_new);
            is_done.then(|| {
                groups
                    .iter()
                    .flat_map(|group| group["rules"].as_array().unwrap().clone())
                    .collect::<Vec<_>>()
            })
        });
        let rules = rules.unwrap();
        for rule in &rules {
            assert_eq!(rule["health"], "ok", "{rule:#}");
        }
        let text = |rule: &Value, key: &str| rule[key].as_str().unwrap().to_owned();
        let alerts = rules.iter().filter(|rule| rule["type"] == "alerting");
        alerts.map(|rule| (text(rule, "name"), text(rule, "state"))).collect()
    }

    fn get(&self, path: &str) -> Value {
        let (code, body) = self.namespace.run(|| http::get(ADDRESS, path)).unwrap();
        assert_eq!(code, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }
}

impl Drop for Prometheus<'_> {
    fn drop(&mut self) {
        // It has ended, or it shall: nobody is left to be told of a failure.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The process and its log. It is in no cgroup that is judged, as on a host it need not be.
fn spawn(namespace: &Netns, scratch: &Path, configuration: &Path) -> (Child, PathBuf) {
    let log = scratch.join("prometheus.log");
    let output = File::create(&log).unwrap();
    let mut command = Command::new("prometheus");
    command.arg(format!("--config.file={}", configuration.display()));
    command.arg(format!("--storage.tsdb.path={}", scratch.join("prometheus").display()));
    command.arg(format!("--web.listen-address={ADDRESS}"));
    command.current_dir(scratch).stdin(Stdio::null());
    command.stdout(output.try_clone().unwrap()).stderr(output);
    (namespace.spawn(&mut command).unwrap(), log)
}

/// A value of a query string (RFC 3986, 2.1).
fn encoded(text: &str) -> String {
    let byte = |byte: &u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(*byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.as_bytes().iter().map(byte).collect()
}

#[test]
fn a_query_is_encoded() {
    assert_eq!(encoded("a{b=\"1\"}"), "a%7Bb%3D%221%22%7D");
}
