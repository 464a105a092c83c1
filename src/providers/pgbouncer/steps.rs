//! From differences to operations: the file first, all of it at once, then the running server. Does no I/O.

use std::path::PathBuf;
use std::time::Duration;

use super::hazard;
use super::layer::{self, Layer};
use super::op::Op;
use super::site::Site;
use super::spec::Spec;
use super::tree::{Edit, Refusal, Tree};
use crate::model::{Action, Hazard, Impact, ResourceId, Stage, Value};
use crate::provider::{Delta, Draft};

/// How long writing a file, or one command of the console, may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A difference with its layers.
struct Difference<'a> {
    delta: &'a Delta<Spec>,
    want: Layer,
    hazards: Vec<Hazard>,
}

/// What to run for these differences.
pub fn steps(site: &Site, deltas: &[Delta<Spec>]) -> Vec<Draft<Op>> {
    let differences: Vec<Difference<'_>> = deltas.iter().map(|delta| difference(site, delta)).collect();
    let stage = match () {
        () if deltas.iter().all(|delta| delta.action == Action::Create) => Stage::Expand,
        () if deltas.iter().all(|delta| delta.action == Action::Delete) => Stage::Contract,
        () => Stage::Shift,
    };
    let mut drafts = match &site.config {
        None => through_console(&differences),
        Some(config) => through_file(site, config, &differences),
    };
    for draft in &mut drafts {
        draft.stage = stage;
    }
    drafts
}

fn difference<'a>(site: &Site, delta: &'a Delta<Spec>) -> Difference<'a> {
    let layer = |spec: &Option<Spec>| spec.as_ref().and_then(|spec| layer::of(spec).ok());
    let (want, live) = (layer(&delta.want).unwrap_or_default(), layer(&delta.live));
    let hazards = hazard::of_change(site, &delta.id, delta.action, &want, live.as_ref(), &changed(delta, &want));
    Difference { delta, want, hazards }
}

/// The paths that differ, down to single attributes.
fn changed(delta: &Delta<Spec>, want: &Layer) -> Vec<String> {
    let named = |path: &str| {
        delta.action == Action::Create
            || delta.changed.iter().any(|root| {
                path.strip_prefix(root.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            })
    };
    want.keys().filter(|path| named(path)).cloned().collect()
}

fn draft(title: String, covers: Vec<ResourceId>, hazards: Vec<Hazard>, impact: Impact, op: Op) -> Draft<Op> {
    Draft { stage: Stage::Shift, title, covers, hazards, timeout: TIMEOUT, lock_timeout: None, impact, op }
}

fn set(id: &ResourceId, key: &str, value: &Value, hazards: Vec<Hazard>) -> Draft<Op> {
    let text = layer::unit("settings", key).write(value);
    let op = Op::Set { key: key.to_owned(), text, value: value.clone() };
    draft(format!("set {key} in the running server"), vec![id.clone()], hazards, Impact::Runtime, op)
}

fn through_console(differences: &[Difference<'_>]) -> Vec<Draft<Op>> {
    let mut drafts = Vec::new();
    for Difference { delta, want, hazards } in differences {
        let id = &delta.id;
        if id.kind == "settings" {
            let keys = changed(delta, want);
            for key in &keys {
                let mut own = vec![hazard::volatile()];
                own.extend(hazards.iter().filter(|hazard| about(hazard, key)).cloned());
                drafts.extend(want.get(key).map(|value| set(id, key, value, own)));
            }
        } else {
            let op = Op::Impossible { what: format!("change {id}") };
            drafts.push(draft(format!("change {id}"), vec![id.clone()], hazards.clone(), Impact::Runtime, op));
        }
    }
    drafts
}

/// Whether a hazard's evidence begins with this key.
fn about(hazard: &Hazard, key: &str) -> bool {
    hazard.evidence.strip_prefix(key).is_some_and(|rest| rest.starts_with(' '))
}

fn through_file(site: &Site, config: &std::path::Path, differences: &[Difference<'_>]) -> Vec<Draft<Op>> {
    let mut tree = site.tree.clone();
    let mut files: Vec<(PathBuf, Vec<Edit>, Vec<ResourceId>)> = Vec::new();
    for Difference { delta, want, .. } in differences {
        for edit in edits(site.tree.as_ref(), &delta.id, delta.action, want, &changed(delta, want)) {
            let landed = tree.as_mut().and_then(|tree| tree.edit(&edit).ok());
            let file = landed.unwrap_or_else(|| config.to_owned());
            let at = files.iter().position(|(path, ..)| *path == file).unwrap_or_else(|| {
                files.push((file, Vec::new(), Vec::new()));
                files.len() - 1
            });
            files[at].1.push(edit);
            if !files[at].2.contains(&delta.id) {
                files[at].2.push(delta.id.clone());
            }
        }
    }
    let mut drafts: Vec<Draft<Op>> = files
        .into_iter()
        .map(|(file, edits, covers)| {
            let expected = site.tree.as_ref().and_then(|tree| tree.print(&file)).cloned();
            let title = format!("edit {}", file.display());
            draft(title, covers, Vec::new(), Impact::Runtime, Op::Edit { file, expected, edits })
        })
        .collect();
    let activated = if site.console { activate(site, differences, &mut drafts) } else { Vec::new() };
    // What somebody must know before pressing yes stands at the step that makes it so.
    for Difference { delta, hazards, .. } in differences {
        let takes_effect = drafts.iter_mut().rfind(|draft| draft.covers.contains(&delta.id));
        let Some(draft) = takes_effect else { continue };
        let new: Vec<_> = hazards.iter().filter(|hazard| !draft.hazards.contains(hazard)).cloned().collect();
        if new.iter().any(|hazard| hazard.code == "needs-restart") && !activated.contains(&delta.id) {
            draft.impact = Impact::Restart;
        }
        draft.hazards.extend(new);
    }
    if !site.console {
        for draft in drafts.iter_mut().filter(|draft| draft.impact == Impact::Runtime) {
            draft.hazards.push(hazard::needs_reload());
            draft.impact = Impact::Reload;
        }
    }
    drafts
}

/// Brings the running server to what the files say now; returns what that covers.
fn activate(site: &Site, differences: &[Difference<'_>], drafts: &mut Vec<Draft<Op>>) -> Vec<ResourceId> {
    let mut covers = Vec::new();
    let (mut settings, mut pools) = (Layer::new(), Vec::new());
    for Difference { delta, want, .. } in differences {
        let changed = changed(delta, want);
        let wanted = changed.iter().filter_map(|path| Some((path.clone(), want.get(path)?.clone())));
        if delta.id.kind == "settings" {
            let before = settings.len();
            settings.extend(wanted.filter(|(key, value)| {
                !site.fixed(key) && site.running.as_ref().is_none_or(|running| running.settings.get(key) != Some(value))
            }));
            if settings.len() == before {
                continue;
            }
        } else {
            let visible = |path: &str| {
                site.running.as_ref().is_none_or(|running| {
                    layer::pool_attribute(path).is_some_and(|attribute| layer::shown(attribute, &running.sample))
                })
            };
            let expected = delta.want.as_ref().map(|_| wanted.filter(|(path, _)| visible(path)).collect());
            pools.push((delta.id.label().to_owned(), expected));
        }
        covers.push(delta.id.clone());
    }
    if covers.is_empty() {
        return covers;
    }
    // `*` is not told by SHOW DATABASES, so that nothing of it can be verified.
    pools.retain(|(name, _)| name != "*");
    let wanted = |name: &str, path: &str| match name {
        "" => settings.contains_key(path),
        name => differences.iter().any(|difference| difference.delta.id.name.as_deref() == Some(name)),
    };
    let pending = site.pending(wanted);
    if differences.iter().all(|difference| difference.delta.id.kind == "settings") && !pending.is_empty() {
        // RELOAD would do more than the plan says; SET does exactly this, and the file makes it last.
        drafts.extend(settings.iter().map(|(key, value)| set(&covers[0], key, value, Vec::new())));
        return covers;
    }
    let hazards = if pending.is_empty() { Vec::new() } else { vec![hazard::reverts_live(&pending)] };
    let title = "have the running server read its file".to_owned();
    drafts.push(draft(title, covers.clone(), hazards, Impact::Reload, Op::Reload { settings, pools }));
    covers
}

/// What the file needs, given what it says already.
fn edits(tree: Option<&Tree>, id: &ResourceId, action: Action, want: &Layer, changed: &[String]) -> Vec<Edit> {
    if id.kind == "settings" {
        let edit = |key: &String| {
            let (unit, value) = (layer::unit("settings", key), want.get(key)?);
            let there = tree.and_then(|tree| tree.setting(key)).map(|text| unit.read(&text));
            (there.as_ref() != Some(value)).then(|| Edit::Setting { key: key.clone(), text: unit.write(value) })
        };
        return changed.iter().filter_map(edit).collect();
    }
    let name = id.label().to_owned();
    let line = tree.and_then(|tree| tree.databases().remove(&name));
    if action == Action::Delete {
        return if tree.is_some() && line.is_none() { Vec::new() } else { vec![Edit::Drop { name }] };
    }
    let there = line.as_deref().and_then(layer::pool_of_file).unwrap_or_default();
    // The order of the table, not of the alphabet: host, port, dbname.
    let pairs: Vec<_> = layer::POOL
        .iter()
        .filter(|attribute| changed.iter().any(|path| path == attribute.path))
        .filter(|attribute| there.get(attribute.path) != want.get(attribute.path))
        .filter_map(|attribute| Some((attribute.keys, attribute.unit.write(want.get(attribute.path)?))))
        .collect();
    if pairs.is_empty() { Vec::new() } else { vec![Edit::Database { name, pairs }] }
}

/// Why the file could not be edited as one resource needs it.
pub fn refusal(site: &Site, id: &ResourceId, want: &Layer, live: Option<&Layer>) -> Option<Refusal> {
    let mut tree = site.tree.clone()?;
    let action = if live.is_some() { Action::Update } else { Action::Create };
    let changed: Vec<String> =
        want.keys().filter(|path| live.is_none_or(|live| live.get(*path) != want.get(*path))).cloned().collect();
    edits(site.tree.as_ref(), id, action, want, &changed).iter().find_map(|edit| tree.edit(edit).err())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use super::*;
    use crate::model::{Origin, value};
    use crate::provider::file::{Fingerprint, Snapshot};
    use crate::provider::{Breadth, Scope, Want};
    use crate::providers::pgbouncer::layer::Row;
    use crate::providers::pgbouncer::site::Running;
    use crate::providers::pgbouncer::{check, live};
    use serde_json::json;

    /// Rows as the console tells them: the header, then one line each.
    fn rows(text: &str) -> Vec<Row> {
        let mut lines = text.lines().map(|line| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>());
        let header = lines.next().unwrap_or_default();
        lines.map(|cells| header.iter().cloned().zip(cells).collect()).collect()
    }

    fn running(config: &str, databases: &str, pools: &str) -> Running {
        let config = rows(&format!("key|value|default|changeable\n{config}"));
        let columns =
            "name|host|port|database|force_user|pool_size|min_pool_size|reserve_pool|pool_mode|max_connections";
        let pools = format!("database|user|cl_active|cl_waiting|sv_active|sv_idle\n{pools}");
        Running::new(
            &rows("version\nPgBouncer 1.18.0"),
            &config,
            &rows(&format!("{columns}\n{databases}")),
            &rows(&pools),
        )
    }

    fn tree(text: &str) -> Tree {
        let main = Path::new("/etc/pgbouncer.ini").to_owned();
        let bytes = text.as_bytes().to_vec();
        let print = Fingerprint::of(&bytes);
        Tree::build(&main.clone(), &BTreeMap::from([(main.clone(), Snapshot { path: main, bytes, print })])).unwrap()
    }

    /// Everything that a plan would say about these wants.
    fn plan(ini: Option<&str>, running: Option<Running>, wants: &Value) -> String {
        let config = ini.map(|_| PathBuf::from("/etc/pgbouncer.ini"));
        let site = Site { config, console: running.is_some(), tree: ini.map(tree), running };
        let origin = Origin { file: "p.toml".into(), line: 1 };
        let wants: Vec<Want<Spec>> = wants
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, spec)| {
                let id = if name == "settings" { ResourceId::only(name) } else { ResourceId::named("pool", name) };
                let spec = (!spec.is_null()).then(|| serde_json::from_value(json!({ id.kind.clone(): spec })).unwrap());
                Want { id, spec, origin: origin.clone() }
            })
            .collect();
        let scope = Scope { wanted: &wants, breadth: Breadth::Declared };
        let composed = live::compose(&site, &scope).unwrap();
        let mut out = String::new();
        let (mut deltas, mut pairs) = (Vec::new(), Vec::new());
        for Want { id, spec, .. } in &wants {
            let there = composed.live.iter().find(|live| live.id == *id).map(|live| live.spec.clone());
            let (want, before) =
                (spec.as_ref().map(|s| layer::of(s).unwrap()), there.as_ref().map(|s| layer::of(s).unwrap()));
            let mut changed = Vec::new();
            for (path, after) in want.iter().flatten() {
                let before = before.as_ref().and_then(|before| before.get(path));
                if before != Some(after) {
                    let before = before.map_or("-".into(), value::show);
                    out.push_str(&format!("~ {id} {path} {before} -> {}\n", value::show(after)));
                    changed.push(path.clone());
                }
            }
            let action = match (&want, &before) {
                (Some(_), None) => Action::Create,
                (Some(_), Some(_)) => Action::Update,
                (None, _) => Action::Delete,
            };
            if let Some(want) = spec {
                pairs.push(crate::provider::Pairing { id: id.clone(), want: want.clone(), live: there.clone() });
            }
            if !changed.is_empty() || (want.is_none() && before.is_some()) {
                let facts = crate::model::Facts::default();
                deltas.push(Delta { id: id.clone(), action, want: spec.clone(), live: there, changed, facts });
            }
        }
        for problem in check::online(&site, &pairs).unwrap() {
            out.push_str(&format!("problem: {}\n", problem.message));
        }
        for note in composed.notes {
            out.push_str(&format!("note: {note}\n"));
        }
        for draft in steps(&site, &deltas) {
            out.push_str(&format!("{:?} {:?} {}\n", draft.stage, draft.impact, draft.op));
            for hazard in draft.hazards {
                out.push_str(&format!("  ! {} {}\n", hazard.code, hazard.evidence));
            }
        }
        out
    }

    const CONFIG: &str = "default_pool_size|20|20|yes\nmax_client_conn|100|100|yes\nlisten_port|6432|6432|no\n\
                          query_wait_timeout|120|120|yes\npool_mode|session|session|yes\nmin_pool_size|0|0|yes\n\
                          reserve_pool_size|0|0|yes\nmax_db_connections|0|0|yes";
    const SHOP: &str = "shop|db|5432|shop||20|0|0||0";

    fn both(databases: &str) -> Running {
        running(CONFIG, databases, "shop|app|7|3|5|2")
    }

    #[test]
    fn the_file_is_written_before_the_server_reads_it() {
        let ini = "[databases]\nshop = host=db\n[pgbouncer]\ndefault_pool_size=20\n";
        let wants = json!({"settings": {"default_pool_size": 10, "query_wait_timeout": "30s"}});
        insta::assert_snapshot!(plan(Some(ini), Some(both(SHOP)), &wants), @r#"
        ~ settings default_pool_size 20 -> 10
        ~ settings query_wait_timeout "2m" -> "30s"
        Shift Runtime edit /etc/pgbouncer.ini: default_pool_size = 10; query_wait_timeout = 30
        Shift Reload reload
          ! shrinks-pool default_pool_size 20 -> 10; 5 server connections in use and 2 idle, 7 clients active and 3 waiting now
          ! shortens-timeout query_wait_timeout "2m" -> "30s"
        "#);
        insta::assert_snapshot!(plan(Some(ini), None, &wants), @r#"
        ~ settings default_pool_size 20 -> 10
        ~ settings query_wait_timeout - -> "30s"
        note: without `admin_url`, only `/etc/pgbouncer.ini` is compared and changed, not the running server
        Shift Reload edit /etc/pgbouncer.ini: default_pool_size = 10; query_wait_timeout = 30
          ! shrinks-pool default_pool_size 20 -> 10; how many clients are connected is not known without `admin_url`
          ! shortens-timeout query_wait_timeout "2m" -> "30s"
          ! needs-reload takes effect when PgBouncer is told to RELOAD, or restarted
        "#);
        insta::assert_snapshot!(plan(None, Some(both(SHOP)), &wants), @r#"
        ~ settings default_pool_size 20 -> 10
        ~ settings query_wait_timeout "2m" -> "30s"
        note: without `config`, a change lasts until PgBouncer restarts or is told to RELOAD, and nothing here can hold a lock: two runs at once are not kept apart
        Shift Runtime set default_pool_size = 10
          ! volatile a restart or RELOAD of PgBouncer loses it
          ! shrinks-pool default_pool_size 20 -> 10; 5 server connections in use and 2 idle, 7 clients active and 3 waiting now
        Shift Runtime set query_wait_timeout = 30
          ! volatile a restart or RELOAD of PgBouncer loses it
          ! shortens-timeout query_wait_timeout "2m" -> "30s"
        "#);
    }

    #[test]
    fn a_run_that_was_killed_after_the_file_goes_on_with_the_server() {
        let ini = "[databases]\nshop = host=db pool_size=40\n[pgbouncer]\ndefault_pool_size=10\n";
        let wants = json!({"settings": {"default_pool_size": 10}, "shop": {"pool_size": 40}});
        insta::assert_snapshot!(plan(Some(ini), Some(both(SHOP)), &wants), @r"
        ~ settings default_pool_size 20 -> 10
        ~ pool.shop pool_size 20 -> 40
        note: the running server is not as its file says; at the next RELOAD: default_pool_size 20 -> 10, shop pool_size 20 -> 40
        Shift Reload reload
          ! shrinks-pool default_pool_size 20 -> 10; 5 server connections in use and 2 idle, 7 clients active and 3 waiting now
        ");
    }

    #[test]
    fn what_somebody_else_changed_in_the_running_server_is_not_undone_in_passing() {
        let ini = "[databases]\nshop = host=db\n[pgbouncer]\nmax_client_conn=300\n";
        let wants = json!({"settings": {"default_pool_size": 30}});
        insta::assert_snapshot!(plan(Some(ini), Some(both(SHOP)), &wants), @r"
        ~ settings default_pool_size 20 -> 30
        note: the running server is not as its file says; at the next RELOAD: max_client_conn 100 -> 300
        Shift Runtime edit /etc/pgbouncer.ini: default_pool_size = 30
        Shift Runtime set default_pool_size = 30
        ");
        let wants = json!({"settings": {"default_pool_size": 30}, "shop": {"pool_size": 40}});
        insta::assert_snapshot!(plan(Some(ini), Some(both(SHOP)), &wants), @r"
        ~ settings default_pool_size 20 -> 30
        ~ pool.shop pool_size - -> 40
        note: the running server is not as its file says; at the next RELOAD: max_client_conn 100 -> 300
        Shift Runtime edit /etc/pgbouncer.ini: default_pool_size = 30; shop: pool_size=40
        Shift Reload reload
          ! reverts-live RELOAD also brings max_client_conn 100 -> 300
        ");
    }

    #[test]
    fn drift_between_the_layers_shows_the_one_that_is_off() {
        let ini = "[databases]\nshop = host=db\n[pgbouncer]\ndefault_pool_size=50\n";
        insta::assert_snapshot!(plan(Some(ini), Some(both(SHOP)), &json!({"settings": {"default_pool_size": 20}})), @r"
        ~ settings default_pool_size 50 -> 20
        note: the running server is not as its file says; at the next RELOAD: default_pool_size 20 -> 50, shop pool_size 20 -> 50
        Shift Runtime edit /etc/pgbouncer.ini: default_pool_size = 20
        ");
        insta::assert_snapshot!(plan(Some(ini), Some(both(SHOP)), &json!({"settings": {"default_pool_size": 50}})), @r"
        ~ settings default_pool_size 20 -> 50
        note: the running server is not as its file says; at the next RELOAD: default_pool_size 20 -> 50, shop pool_size 20 -> 50
        Shift Reload reload
        ");
    }

    #[test]
    fn what_needs_a_restart_is_written_once() {
        let wants = json!({"settings": {"listen_port": 6433}});
        insta::assert_snapshot!(plan(Some("[pgbouncer]\n"), Some(both(SHOP)), &wants), @r"
        ~ settings listen_port 6432 -> 6433
        note: the running server is not as its file says; at the next RELOAD: shop leaves
        Shift Restart edit /etc/pgbouncer.ini: listen_port = 6433
          ! needs-restart listen_port at the next restart of PgBouncer, which evenkeel does not do
        ");
        insta::assert_snapshot!(plan(Some("[databases]\nshop=host=db\n[pgbouncer]\nlisten_port=6433\n"), Some(both(SHOP)), &wants), @"note: `listen_port` is 6432 until the next restart, then 6433 as the file says");
        insta::assert_snapshot!(plan(None, Some(both(SHOP)), &wants), @r"
        ~ settings listen_port 6432 -> 6433
        problem: `listen_port` is read at the start only, and the console cannot change it
        note: without `config`, a change lasts until PgBouncer restarts or is told to RELOAD, and nothing here can hold a lock: two runs at once are not kept apart
        Shift Runtime set listen_port = 6433
          ! volatile a restart or RELOAD of PgBouncer loses it
          ! needs-restart listen_port at the next restart of PgBouncer, which evenkeel does not do
        ");
    }

    #[test]
    fn entries_come_change_and_go() {
        let ini = "[databases]\nshop = host=db\n[pgbouncer]\n";
        let wants = json!({
            "shop": {"pool_size": 10, "pool_mode": "transaction", "connection": {"host": "db2"}},
            "stats": {"connection": {"host": "db", "port": 5433}, "pool_size": 2}
        });
        insta::assert_snapshot!(plan(Some(ini), Some(both(SHOP)), &wants), @r#"
        ~ pool.shop connection.host "db" -> "db2"
        ~ pool.shop pool_mode - -> "transaction"
        ~ pool.shop pool_size - -> 10
        ~ pool.stats connection.host - -> "db"
        ~ pool.stats connection.port - -> 5433
        ~ pool.stats pool_size - -> 2
        Shift Runtime edit /etc/pgbouncer.ini: shop: host=db2 pool_size=10 pool_mode=transaction; stats: host=db port=5433 pool_size=2
        Shift Reload reload
          ! moves-pool connection.host "db" -> "db2"; 5 server connections in use and 2 idle, 7 clients active and 3 waiting now
          ! changes-pool-mode pool_mode "session" -> "transaction"; 5 server connections in use and 2 idle, 7 clients active and 3 waiting now
          ! shrinks-pool pool_size 20 -> 10; 5 server connections in use and 2 idle, 7 clients active and 3 waiting now
        "#);
        insta::assert_snapshot!(plan(Some(ini), Some(both(SHOP)), &json!({"shop": null})), @r"
        Contract Runtime edit /etc/pgbouncer.ini: drop shop
        Contract Reload reload
          ! drops-pool 5 server connections in use and 2 idle, 7 clients active and 3 waiting now
        ");
        insta::assert_snapshot!(plan(Some("[databases]\n[pgbouncer]\n"), Some(both(SHOP)), &json!({"shop": null})), @r"
        note: the running server is not as its file says; at the next RELOAD: shop leaves
        Contract Reload reload
          ! drops-pool 5 server connections in use and 2 idle, 7 clients active and 3 waiting now
        ");
    }

    #[test]
    fn what_the_server_would_choke_on_is_refused() {
        let ini = "[databases]\nshop = host=db\n[pgbouncer]\n";
        let wants = json!({"shop": {"server_lifetime": "1h"}, "new": {"pool_size": 3}, "settings": {"max_prepared_statements": 5}});
        insta::assert_snapshot!(plan(Some(ini), Some(both(SHOP)), &wants), @r#"
        ~ pool.shop server_lifetime - -> "1h"
        ~ pool.new pool_size - -> 3
        ~ settings max_prepared_statements - -> 5
        problem: `server_lifetime` needs PgBouncer 1.24; this is 1.18, which would not start with it
        problem: there is no entry `new` yet, and nothing says where it leads
        problem: PgBouncer 1.18 has no setting `max_prepared_statements`
        Shift Runtime edit /etc/pgbouncer.ini: shop: server_lifetime=3600; new: pool_size=3; max_prepared_statements = 5
        Shift Reload reload
        "#);
    }
}
