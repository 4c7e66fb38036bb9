//! Settings: what the owner decides.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::status::Role;
use crate::{ApiError, ErrorCode, ModelId};

/// Version of the layout of [`Settings`]; older ones are migrated when the node reads its file.
pub const SETTINGS_VERSION: u32 = 1;
/// Most programs, words, addresses or models in one list.
pub const MAX_LIST: usize = 256;
/// Longest text in a setting, in characters.
pub const MAX_TEXT_CHARS: usize = 512;

/// What the owner decides. Changed with a JSON merge patch (RFC 7396): fields that are given are replaced, lists as a whole,
/// `null` brings back the default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Version of this layout.
    #[schema(read_only)]
    pub version: u32,
    /// Counts the changes. A patch that names it is refused where it is not the present one.
    pub revision: u64,
    /// The node.
    pub node: NodeSettings,
    /// Mining.
    pub mining: MiningSettings,
    /// Which jobs this miner takes.
    pub policy: PolicySettings,
    /// Connections to other nodes.
    pub network: NetworkSettings,
    /// This API.
    pub api: ApiSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            version: SETTINGS_VERSION,
            revision: 0,
            node: NodeSettings::default(),
            mining: MiningSettings::default(),
            policy: PolicySettings::default(),
            network: NetworkSettings::default(),
            api: ApiSettings::default(),
        }
    }
}

/// The node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NodeSettings {
    /// What others and the owner see it called.
    pub name: String,
    /// What it does for the network; takes effect at the next start.
    pub roles: BTreeSet<Role>,
    /// Start with the computer.
    pub autostart: bool,
}

impl Default for NodeSettings {
    fn default() -> Self {
        Self { name: String::new(), roles: BTreeSet::from([Role::Miner, Role::Requester]), autostart: false }
    }
}

/// Mining: on what, when, and what pauses it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MiningSettings {
    /// Start mining when the node starts, unless it was paused by hand.
    pub start_with_node: bool,
    /// What to compute on: `auto`, `cpu`, `cuda`, `cuda:N` or `metal`.
    pub device: String,
    /// Threads of the processor; all without it.
    #[schema(minimum = 1, maximum = 1024)]
    pub cpu_threads: Option<u16>,
    /// Hours in which to mine; always when empty.
    pub schedule: Vec<ScheduleSpan>,
    /// Pause on battery.
    pub pause_on_battery: bool,
    /// Pause while someone uses the computer.
    pub pause_when_user_active: bool,
    /// How long nobody must have used the computer.
    #[schema(minimum = 10, maximum = 86400)]
    pub user_idle_secs: u32,
    /// Pause while a program fills the screen.
    pub pause_on_full_screen: bool,
    /// Pause while one of these programs runs (file names).
    pub pause_on_apps: Vec<String>,
    /// Pause while other programs use the GPU.
    pub pause_on_gpu_busy: bool,
    /// Pause on a connection that is paid by volume.
    pub pause_on_metered_link: bool,
    /// Pause above this temperature of the device.
    #[schema(minimum = 40, maximum = 110)]
    pub max_temperature_celsius: Option<u8>,
    /// Most VRAM (memory, on the processor) to use.
    pub max_vram_bytes: Option<u64>,
    /// Most power the device may draw, where the driver lets it be set.
    #[schema(minimum = 20, maximum = 2000)]
    pub max_power_watts: Option<u16>,
    /// Leave this much room on the disk.
    pub keep_disk_free_bytes: u64,
}

impl Default for MiningSettings {
    fn default() -> Self {
        Self {
            start_with_node: true,
            device: "auto".to_owned(),
            cpu_threads: None,
            schedule: Vec::new(),
            pause_on_battery: true,
            pause_when_user_active: false,
            user_idle_secs: 300,
            pause_on_full_screen: true,
            pause_on_apps: Vec::new(),
            pause_on_gpu_busy: true,
            pause_on_metered_link: true,
            // Below where consumer cards begin to throttle (83 to 90 degrees).
            max_temperature_celsius: Some(80),
            max_vram_bytes: None,
            max_power_watts: None,
            keep_disk_free_bytes: 2 << 30,
        }
    }
}

/// Hours of a week, in the computer's local time. A span that ends before it begins goes over midnight.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduleSpan {
    /// Days on which it begins, Monday is 0.
    pub days: BTreeSet<u8>,
    /// First minute of the day, 0 to 1439.
    #[schema(minimum = 0, maximum = 1439)]
    pub from_minute: u16,
    /// Minute of the day at which it ends, 0 to 1440.
    #[schema(minimum = 0, maximum = 1440)]
    pub to_minute: u16,
}

/// Which jobs this miner takes. A refusal costs it nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PolicySettings {
    /// Only these models; all that are here when empty.
    pub models: BTreeSet<ModelId>,
    /// Only models under these licences; all when empty.
    pub licenses: BTreeSet<String>,
    /// Largest width and height in pixels.
    #[schema(minimum = 1, maximum = 4096)]
    pub max_side: u32,
    /// Most frames.
    #[schema(minimum = 1, maximum = 1024)]
    pub max_frames: u32,
    /// Most denoising steps.
    #[schema(minimum = 1, maximum = 1000)]
    pub max_steps: u32,
    /// Least fee for one denoising step.
    pub min_fee_per_step_microcredits: u64,
    /// Prompts with one of these words (whole words, any case) are refused.
    pub blocked_words: Vec<String>,
}

impl Default for PolicySettings {
    fn default() -> Self {
        Self {
            models: BTreeSet::new(),
            licenses: BTreeSet::new(),
            max_side: super::job::MAX_SIDE,
            max_frames: super::job::MAX_FRAMES,
            max_steps: super::job::MAX_STEPS,
            min_fee_per_step_microcredits: 0,
            blocked_words: Vec::new(),
        }
    }
}

/// Connections to other nodes; changes take effect at the next start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkSettings {
    /// Addresses to listen at (multiaddresses); the usual ones when empty.
    pub listen: Vec<String>,
    /// Addresses to announce, for a port that was forwarded by hand.
    pub external: Vec<String>,
    /// Nodes to connect to first (multiaddresses with a peer id).
    pub bootstrap: Vec<String>,
    /// Find nodes on the local network.
    pub mdns: bool,
    /// Ask the router to forward a port.
    pub upnp: bool,
    /// Be reachable through relays where there is no other way.
    pub use_relays: bool,
    /// Be a relay for others.
    pub be_relay: bool,
    /// Most sent to others per second; no limit without it.
    pub max_upload_bytes_per_sec: Option<u64>,
}

impl Default for NetworkSettings {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            external: Vec::new(),
            bootstrap: Vec::new(),
            mdns: true,
            upnp: true,
            use_relays: true,
            be_relay: false,
            max_upload_bytes_per_sec: None,
        }
    }
}

/// This API; changes take effect at the next start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ApiSettings {
    /// Also listen for other computers, with TLS.
    pub remote: bool,
    /// Where to listen for other computers, such as `0.0.0.0:7443`; the usual port on all addresses without it.
    pub remote_listen: Option<String>,
    /// Names and addresses by which other computers call this one; others are refused.
    pub remote_hosts: Vec<String>,
}

/// What is wrong with settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SettingsCheck {
    /// Each setting that can't be; empty when all are in order.
    pub problems: Vec<SettingProblem>,
}

/// A setting that can't be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SettingProblem {
    /// Its path, such as `mining.user_idle_secs`.
    pub field: String,
    /// What is wrong, one sentence.
    pub message: String,
}

impl Settings {
    /// These settings after a JSON merge patch, checked.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidSettings`] that names the field; [`ErrorCode::SettingsConflict`] where the patch names another
    /// revision than the present one.
    pub fn patched(&self, patch: &Value) -> Result<Self, ApiError> {
        let fail = |message: String| {
            ApiError::new(ErrorCode::InvalidSettings, message, "change the field and send the patch again")
        };
        let Some(fields) = patch.as_object() else {
            return Err(fail("the patch is not a JSON object".to_owned()));
        };
        if let Some(version) = fields.get("version").filter(|version| **version != SETTINGS_VERSION) {
            return Err(fail(format!("version is {version}; expected {SETTINGS_VERSION}")).at("version"));
        }
        if let Some(revision) = fields.get("revision").filter(|revision| **revision != self.revision) {
            let message = format!("the settings are at revision {}, the patch is for {revision}", self.revision);
            let next_step = "load the settings again and repeat the change";
            return Err(ApiError::new(ErrorCode::SettingsConflict, message, next_step).at("revision"));
        }
        let mut whole = serde_json::to_value(self).map_err(|error| fail(error.to_string()))?;
        merge(&mut whole, patch);
        let mut settings: Self = serde_json::from_value(whole).map_err(|error| fail(error.to_string()))?;
        settings.version = SETTINGS_VERSION;
        settings.revision = self.revision;
        if let Some(problem) = settings.check().problems.into_iter().next() {
            return Err(fail(problem.message).at(problem.field));
        }
        if settings != *self {
            settings.revision = self.revision.saturating_add(1);
        }
        Ok(settings)
    }

    /// Everything that is wrong with them.
    #[must_use]
    pub fn check(&self) -> SettingsCheck {
        let mut check = SettingsCheck::default();
        let mining = &self.mining;
        check.within("mining.user_idle_secs", u64::from(mining.user_idle_secs), 10, 86_400);
        check.optional("mining.cpu_threads", mining.cpu_threads, 1, 1024);
        check.optional("mining.max_temperature_celsius", mining.max_temperature_celsius, 40, 110);
        check.optional("mining.max_power_watts", mining.max_power_watts, 20, 2000);
        if !is_device(&mining.device) {
            let message = format!("mining.device is `{}`; expected auto, cpu, cuda, cuda:N or metal", mining.device);
            check.problem("mining.device", message);
        }
        if mining.schedule.len() > MAX_LIST {
            check.too_long("mining.schedule", mining.schedule.len());
        }
        for (index, span) in mining.schedule.iter().enumerate() {
            let field = format!("mining.schedule[{index}]");
            check.within(&format!("{field}.from_minute"), u64::from(span.from_minute), 0, 1439);
            check.within(&format!("{field}.to_minute"), u64::from(span.to_minute), 0, 1440);
            if span.from_minute == span.to_minute {
                check.problem(&field, format!("{field} ends when it begins; for a whole day end it at minute 1440"));
            }
            if span.days.is_empty() || span.days.iter().any(|day| *day > 6) {
                check.problem(
                    &format!("{field}.days"),
                    format!("{field}.days must be days 0 (Monday) to 6, at least one"),
                );
            }
        }
        let policy = &self.policy;
        check.within("policy.max_side", u64::from(policy.max_side), 1, u64::from(super::job::MAX_SIDE));
        check.within("policy.max_frames", u64::from(policy.max_frames), 1, u64::from(super::job::MAX_FRAMES));
        check.within("policy.max_steps", u64::from(policy.max_steps), 1, u64::from(super::job::MAX_STEPS));
        check.optional("network.max_upload_bytes_per_sec", self.network.max_upload_bytes_per_sec, 1024, u64::MAX);
        check.texts("node.name", [&self.node.name], true);
        check.texts("mining.pause_on_apps", &mining.pause_on_apps, false);
        check.texts("policy.licenses", &policy.licenses, false);
        check.texts("policy.blocked_words", &policy.blocked_words, false);
        check.texts("network.listen", &self.network.listen, false);
        check.texts("network.external", &self.network.external, false);
        check.texts("network.bootstrap", &self.network.bootstrap, false);
        check.texts("api.remote_hosts", &self.api.remote_hosts, false);
        if policy.models.len() > MAX_LIST {
            check.too_long("policy.models", policy.models.len());
        }
        let listen = self.api.remote_listen.as_deref();
        if let Some(text) = listen.filter(|text| text.parse::<std::net::SocketAddr>().is_err()) {
            check.problem("api.remote_listen", format!("api.remote_listen is `{text}`; expected ADDRESS:PORT"));
        }
        check
    }
}

impl SettingsCheck {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.problems.is_empty()
    }

    fn problem(&mut self, field: &str, message: String) {
        self.problems.push(SettingProblem { field: field.to_owned(), message });
    }

    fn too_long(&mut self, field: &str, length: usize) {
        self.problem(field, format!("{field} has {length} entries; expected at most {MAX_LIST}"));
    }

    fn within(&mut self, field: &str, value: u64, least: u64, most: u64) {
        if !(least..=most).contains(&value) {
            self.problem(field, format!("{field} is {value}; expected {least} to {most}"));
        }
    }

    fn optional(&mut self, field: &str, value: Option<impl Into<u64>>, least: u64, most: u64) {
        if let Some(value) = value {
            self.within(field, value.into(), least, most);
        }
    }

    fn texts<'a>(&mut self, field: &str, texts: impl IntoIterator<Item = &'a String>, may_be_empty: bool) {
        let mut count = 0;
        for text in texts {
            count += 1;
            if !may_be_empty && text.trim().is_empty() {
                self.problem(field, format!("{field} has an empty entry"));
            }
            if text.chars().count() > MAX_TEXT_CHARS || text.chars().any(char::is_control) {
                let message =
                    format!("{field} has a text with control characters or above {MAX_TEXT_CHARS} characters");
                self.problem(field, message);
            }
        }
        if count > MAX_LIST {
            self.too_long(field, count);
        }
    }
}

fn is_device(text: &str) -> bool {
    let index = text.strip_prefix("cuda:");
    matches!(text, "auto" | "cpu" | "cuda" | "metal") || index.is_some_and(|index| index.parse::<u8>().is_ok())
}

/// JSON merge patch, RFC 7396 section 2.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    if let Value::Object(target) = target {
        for (name, value) in fields {
            if value.is_null() {
                target.remove(name);
            } else {
                merge(target.entry(name.as_str()).or_insert(Value::Null), value);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The example cases of RFC 7396, appendix A.
    #[test]
    fn merging_follows_the_standard() {
        let cases = [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a": "b"}), json!(["c"]), json!(["c"])),
            (json!({"a": "foo"}), json!(null), json!(null)),
            (json!({"a": "foo"}), json!("bar"), json!("bar")),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ];
        for (mut target, patch, expected) in cases {
            let shown = format!("{target} with {patch}");
            merge(&mut target, &patch);
            assert_eq!(target, expected, "{shown}");
        }
    }

    #[test]
    fn a_patch_changes_what_it_names() {
        let before = Settings { revision: 4, ..Settings::default() };
        let after = before.patched(&json!({"mining": {"user_idle_secs": 60}, "revision": 4})).unwrap();
        assert_eq!((after.mining.user_idle_secs, after.revision), (60, 5));
        assert_eq!(after.mining.device, before.mining.device);
        let back = after.patched(&json!({"mining": {"user_idle_secs": null}})).unwrap();
        assert_eq!((back.mining, back.revision), (before.mining.clone(), 6));
        assert_eq!(before.patched(&json!({})).unwrap(), before, "nothing changed, so the revision stays");
    }

    #[test]
    fn bad_patches_name_the_field() {
        let settings = Settings { revision: 4, ..Settings::default() };
        let cases = [
            (json!({"mining": {"user_idle_secs": 1}}), "mining.user_idle_secs"),
            (json!({"mining": {"device": "cuda:x"}}), "mining.device"),
            (json!({"mining": {"max_temperature_celsius": 200}}), "mining.max_temperature_celsius"),
            (
                json!({"mining": {"schedule": [{"days": [7], "from_minute": 0, "to_minute": 60}]}}),
                "mining.schedule[0].days",
            ),
            (
                json!({"mining": {"schedule": [{"days": [1], "from_minute": 60, "to_minute": 60}]}}),
                "mining.schedule[0]",
            ),
            (json!({"policy": {"max_steps": 0}}), "policy.max_steps"),
            (json!({"policy": {"blocked_words": [" "]}}), "policy.blocked_words"),
            (json!({"node": {"name": "a\nb"}}), "node.name"),
            (json!({"api": {"remote_listen": "everywhere"}}), "api.remote_listen"),
            (json!({"version": 2}), "version"),
        ];
        for (patch, field) in cases {
            let error = settings.patched(&patch).unwrap_err();
            assert_eq!((error.code, error.field.as_deref()), (ErrorCode::InvalidSettings, Some(field)), "{patch}");
        }
        for (patch, said) in
            [(json!({"minnig": {}}), "minnig"), (json!([]), "object"), (json!({"node": {"roles": ["king"]}}), "king")]
        {
            let error = settings.patched(&patch).unwrap_err();
            assert!(error.code == ErrorCode::InvalidSettings && error.message.contains(said), "{error}");
        }
        assert_eq!(settings.patched(&json!({"revision": 3})).unwrap_err().code, ErrorCode::SettingsConflict);
    }

    #[test]
    fn defaults_are_in_order() {
        assert_eq!(Settings::default().check(), SettingsCheck::default());
    }
}
