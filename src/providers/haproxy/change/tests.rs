//! Edits on odd files: what is wanted is there afterwards, nothing else has changed, and taken back the file is the same, byte for byte.

use super::super::cfg::Edit;
use super::*;
use crate::model::units::Duration;
use crate::providers::balancer::spec;

/// Files that people write. The backend is `web`.
const CORPUS: &[&str] = &[
    "backend web\n    server n1 10.0.0.1:80\n",
    "backend web\n    server n1 10.0.0.1:80",
    "backend web\r\n\tbalance\troundrobin\r\n\tserver n1 10.0.0.1:80\tcheck\r\n\r\n# end\r\n",
    "# a\n\n\nbackend   web   # the pool\nserver n1 10.0.0.1:80 check # one\nserver n2 10.0.0.2:80 check # two\n",
    "listen web\n  bind :80\n  mode tcp\n  server n1 10.0.0.1:80 check inter 1s fastinter 500ms\n",
    "backend web\n  default-server check\n  server n1 10.0.0.1:80\n  server n2 10.0.0.2:80 no-check\n",
    "backend web\n  server n1 10.0.0.1:80 check inter 5s\n  default-server inter 1s\n  server n2 10.0.0.2:80 check\n",
    "defaults\n  default-server check rise 3\n  option httpchk\nbackend web\n  server n1 10.0.0.1:80\n",
    "defaults base\n  mode http\ndefaults other from base\n  balance leastconn\nbackend web from base\n  server n1 10.0.0.1:80\n",
    "backend web\n  option httpchk HEAD /ping HTTP/1.1\\r\\nHost:\\ www\n  server n1 10.0.0.1:80 check\n",
    "backend web\n  option httpchk\n  http-check send meth GET uri /up ver HTTP/1.1 hdr Host www\n  server n1 10.0.0.1:80 check\n",
    "backend web\n  option httpchk /only\n  timeout check 750ms\n  server n1 10.0.0.1:80 check\n",
    "backend web\n  server 'n1' \"10.0.0.1:80\" check cookie \"n 1\"\n",
    "backend web\n  server n1 [2001:db8::1]:80 check\n  server n2 ipv4@10.0.0.2:80 check\n",
    "backend web\n  server n1 \"${HOST}:80\" check weight 5\n",
    "backend web\n  server n1 10.0.0.1:80 ssl verify required ca-file /ca.pem sni str(www) alpn h2,http/1.1 check check-ssl\n",
    "backend web\n  server n1 10.0.0.1:80 source 0.0.0.0 usesrc clientip check\n",
    "backend web\n  server n1 10.0.0.1:80 weight 1 weight 2 backup disabled\n",
    "backend web\n  balance source\n  hash-type map-based\n  server n1 10.0.0.1:80\n",
    "backend web\n  balance uri whole\n  hash-type consistent sdbm avalanche\n  server n1 10.0.0.1:80\n",
    "backend web\n  cookie SRV insert indirect nocache\n  server n1 10.0.0.1:80 cookie n1 track other/n1\n",
    "backend web\n  acl a path_beg /#x \\#y\n  http-request set-header X \"a # b\"\n  server n1 10.0.0.1:80 # c\n",
    "backend web\n\n\n  server n1 10.0.0.1:80\n\n\nbackend other\n  server n1 10.0.0.9:80\n",
    "backend other\n  server n1 10.0.0.9:80 weight 9\nbackend web\n  server n1 10.0.0.1:80 weight 1\nbackend third\n  server n1 10.0.0.8:80\n",
    "global\n  log stdout local0\n  lua-load /x.lua\nbackend web\n  server-template t 3 app.internal:80 check\n  server n1 10.0.0.1:80\n",
    "backend web\n",
    "backend web",
    "\u{feff}# mark\nbackend web\n  description \"für die Größe\" # ü\n  server n1 10.0.0.1:80 # é\n",
    "backend web\n\t \t server\t\tn1\t10.0.0.1:80\t \tcheck\t\t# tabs\t\n",
    "backend web\n  option srvtcpka\n  srvtcpka-intvl 10\n  server n1 10.0.0.1:80 pool-max-conn -1 pool-purge-delay 10s maxconn 30\n",
    "backend web\n  no option httpchk\n  retries 3\n  errorfile 503 /dev/null\n  server n1 10.0.0.1:80\nuserlist u\n  user a password b\n",
];

fn wants() -> Vec<spec::Spec> {
    vec![
        spec::Spec::Balance(Balance { algorithm: Some(Algorithm::IpHash) }),
        spec::Spec::Health(Health {
            enabled: Some(true),
            path: Some("/health".into()),
            interval: Some(Duration::from_secs(7)),
            timeout: Some(Duration::from_millis(1500)),
            unhealthy_threshold: Some(4),
            healthy_threshold: Some(5),
        }),
        spec::Spec::Reuse(Reuse {
            max_connections: Some(70),
            idle_connections: Some(11),
            idle_timeout: Some(Duration::from_secs(9)),
            keepalive_interval: Some(Duration::from_secs(3)),
        }),
    ]
}

fn set(cfg: &mut Cfg, section: &str, want: &spec::Spec) {
    match want {
        spec::Spec::Balance(want) => balance(cfg, section, want),
        spec::Spec::Health(want) => health(cfg, section, want),
        spec::Spec::Reuse(want) => reuse(cfg, section, want),
        spec::Spec::Node(_) | spec::Spec::Sticky(_) | spec::Spec::Tls(_) => {}
    }
}

/// Takes the edits back, the last one first.
fn revert(cfg: &mut Cfg) {
    for Edit { section, before, after } in cfg.take_edits().into_iter().rev() {
        cfg.apply(&Edit { section, before: after, after: before }).expect("what was edited can be taken back");
    }
}

#[test]
fn what_is_wanted_is_there_and_taken_back_the_bytes_are_the_same() {
    for text in CORPUS {
        let read = |cfg: &Cfg| Layout::read(cfg, "web").expect("it has the backend");
        for want in wants() {
            let mut cfg = Cfg::parse(text);
            assert_eq!(cfg.text(), *text);
            let section = read(&cfg).section;
            set(&mut cfg, &section, &want);
            let found = read(&cfg);
            match &want {
                spec::Spec::Balance(want) => assert_eq!(found.algorithm, want.algorithm, "{text}"),
                spec::Spec::Health(want) if !found.servers.is_empty() => {
                    assert_eq!(found.common(|entry| Some(entry.check)), want.enabled, "{text}\n{}", cfg.text());
                    assert_eq!(found.common(|entry| entry.interval), want.interval, "{text}\n{}", cfg.text());
                    assert_eq!(found.common(|entry| entry.fall), want.unhealthy_threshold, "{text}\n{}", cfg.text());
                    assert_eq!(found.common(|entry| entry.rise), want.healthy_threshold, "{text}\n{}", cfg.text());
                    assert_eq!((found.path, found.check_timeout), (want.path.clone(), want.timeout), "{text}");
                }
                spec::Spec::Reuse(want) if !found.servers.is_empty() => {
                    assert_eq!(found.common(|entry| Some(entry.limit)), want.max_connections, "{text}\n{}", cfg.text());
                    assert_eq!(found.common(|entry| entry.pool), want.idle_connections, "{text}\n{}", cfg.text());
                    assert_eq!(found.common(|entry| entry.purge), want.idle_timeout, "{text}\n{}", cfg.text());
                    assert_eq!(found.keepalive, want.keepalive_interval, "{text}");
                }
                _ => {}
            }
            // Once more changes nothing.
            let once = cfg.text();
            let edits = cfg.take_edits();
            set(&mut cfg, &section, &want);
            assert_eq!(cfg.text(), once);
            assert_eq!(cfg.take_edits(), []);
            let mut back = Cfg::parse(text);
            for edit in &edits {
                back.apply(edit).expect("what was edited on a copy can be edited");
            }
            assert_eq!(back.text(), once);
            for Edit { section, before, after } in edits.into_iter().rev() {
                back.apply(&Edit { section, before: after, after: before }).expect("and taken back");
            }
            assert_eq!(back.text(), *text);
        }
    }
}

#[test]
fn nodes_change_come_and_leave_and_the_bytes_come_back() {
    for text in CORPUS {
        let mut cfg = Cfg::parse(text);
        let layout = Layout::read(&cfg, "web").expect("it has the backend");
        let names = || layout.servers.iter().map(|entry| entry.name.clone());
        for name in names().chain(["new".to_owned()]) {
            let want =
                Node { address: Some("10.9.9.9:99".into()), weight: Some(77), state: Some(NodeState::Maintenance) };
            node(&mut cfg, &layout, &name, &want);
            let found = Layout::read(&cfg, "web").expect("it still has the backend");
            let entry = found.server(&name).unwrap_or_else(|| panic!("{name} is in {}", cfg.text()));
            let seen = (entry.address.as_deref(), entry.weight, entry.disabled);
            assert_eq!(seen, (Some("10.9.9.9:99"), 77, true), "{}", cfg.text());
            let others = |layout: &Layout| -> Vec<String> {
                let others = layout.servers.iter().filter(|entry| entry.name != name);
                others.map(|entry| format!("{} {:?} {}", entry.name, entry.address, entry.arguments)).collect()
            };
            assert_eq!(others(&found), others(&layout), "the others are as they were");
            revert(&mut cfg);
            assert_eq!(cfg.text(), *text);
        }
        for name in names() {
            gone(&mut cfg, &layout.section, &name);
            let found = Layout::read(&cfg, "web").expect("it still has the backend");
            assert!(found.server(&name).is_none());
            cfg = Cfg::parse(text);
        }
    }
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic_or_loses_a_byte(text in "(backend web|  server n1 |10.0.0.1:80|check|weight|[ \t\r\n#\"'\\\\$a-z0-9:é])*") {
        let mut cfg = Cfg::parse(&text);
        assert_eq!(cfg.text(), text);
        if let Ok(layout) = Layout::read(&cfg, "web") {
            for want in wants() {
                set(&mut cfg, &layout.section, &want);
            }
        }
    }
}
