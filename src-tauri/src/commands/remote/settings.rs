//! `infernet settings`: show them, show one, or set one.

use serde_json::{Map, Value};

use crate::cli::SettingsArgs;
use crate::connection;
use crate::failure::{Failure, Result};
use crate::output;

pub(super) fn run(arguments: &SettingsArgs) -> Result {
    let field = arguments.field.as_deref().map(path).transpose()?;
    let patch = field.as_ref().zip(arguments.value.as_deref()).map(|(field, value)| patch(field, value));
    let settings = connection::ask(&arguments.remote, async |client| {
        Ok(match &patch {
            None => client.settings().await?,
            Some(patch) => client.patch_settings(patch).await?,
        })
    })?;
    let whole = serde_json::to_value(&settings).map_err(anyhow::Error::from)?;
    let shown = match &field {
        None => &whole,
        Some(field) => field.iter().try_fold(&whole, |value, name| value.get(name)).ok_or_else(|| {
            Failure::input(format!("there is no setting `{}`; see: infernet settings", field.join(".")))
        })?,
    };
    if arguments.remote.json {
        return output::json(shown);
    }
    let mut lines = Vec::new();
    flatten(shown, arguments.field.as_deref().unwrap_or_default(), &mut lines);
    lines.iter().try_for_each(|line| output::line(line))
}

fn path(field: &str) -> Result<Vec<&str>> {
    let names: Vec<_> = field.split('.').collect();
    if names.iter().any(|name| name.is_empty()) {
        return Err(Failure::input(format!("`{field}` is not a setting's path; see: infernet settings")));
    }
    Ok(names)
}

/// A merge patch that sets one field.
fn patch(field: &[&str], value: &str) -> Value {
    // What is not JSON is meant as a text: `settings node.name rig`.
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
    let wrap = |inner, name: &&str| Value::Object(Map::from_iter([((*name).to_owned(), inner)]));
    field.iter().rev().fold(value, wrap)
}

/// One line for each setting: its path and its value.
fn flatten(value: &Value, path: &str, lines: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                flatten(value, &path, lines);
            }
        }
        value => lines.push(format!("{path} = {value}")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_becomes_a_patch() {
        let patch = |field, value| patch(&path(field).unwrap(), value);
        assert_eq!(patch("mining.user_idle_secs", "60"), json!({"mining": {"user_idle_secs": 60}}));
        assert_eq!(patch("node.name", "my rig"), json!({"node": {"name": "my rig"}}));
        assert_eq!(patch("mining.cpu_threads", "null"), json!({"mining": {"cpu_threads": null}}));
        assert_eq!(patch("policy.models", r#"["starter"]"#), json!({"policy": {"models": ["starter"]}}));
        assert!(path("").is_err() && path("a..b").is_err());
    }

    #[test]
    fn settings_are_shown_by_path() {
        let mut lines = Vec::new();
        flatten(&json!({"a": {"b": 1, "c": []}, "d": null}), "", &mut lines);
        assert_eq!(lines, ["a.b = 1", "a.c = []", "d = null"]);
    }
}
