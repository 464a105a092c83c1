//! The promises that hold for every provider, each proved on the real system with the real program.
//!
//! A law is a function over a [`Subject`]; the subjects are listed at the end.

mod app;
mod approval;
#[cfg(feature = "postgres")]
mod build;
#[cfg(feature = "http")]
mod caddy;
#[cfg(feature = "crash-points")]
mod crash;
mod haproxy;
mod honest;
mod lock;
mod nginx;
#[cfg(feature = "postgres")]
mod pgbouncer;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redis")]
mod redis;
mod secret;
#[cfg(feature = "sqlite")]
mod sqlite;
mod steady;
mod subject;

use subject::Subject;

/// One test per law and subject.
macro_rules! laws {
    ($name:ident, $subject:ty: $($module:ident :: $law:ident),* $(,)?) => {
        mod $name {
            $(
                #[test]
                fn $law() {
                    super::$module::$law::<$subject>();
                }
            )*
        }
    };
}

#[cfg(feature = "sqlite")]
laws!(on_sqlite, super::sqlite::Shop:
    approval::a_plan_edited_by_hand_is_refused,
    approval::a_plan_for_another_system_is_refused,
    approval::a_stale_plan_is_refused,
    approval::an_approved_plan_is_applied_and_may_be_applied_again,
    honest::what_cannot_be_read_makes_the_plan_incomplete,
    lock::an_interrupted_run_finishes_its_step_and_says_the_rest,
    lock::two_concurrent_runs_one_waits_or_names_the_holder,
    steady::an_outside_edit_drifts_at_exactly_its_address,
    steady::applied_once_the_plan_is_empty_and_applying_does_nothing,
    steady::exported_the_plan_is_empty,
    steady::planning_writes_nothing,
);

#[cfg(feature = "postgres")]
laws!(on_postgres, super::postgres::Shop:
    approval::a_plan_edited_by_hand_is_refused,
    approval::a_plan_for_another_system_is_refused,
    approval::a_stale_plan_is_refused,
    approval::an_approved_plan_is_applied_and_may_be_applied_again,
    honest::what_cannot_be_read_makes_the_plan_incomplete,
    honest::what_is_printed_is_what_the_system_logged,
    lock::an_interrupted_run_finishes_its_step_and_says_the_rest,
    lock::two_concurrent_runs_one_waits_or_names_the_holder,
    secret::no_output_holds_a_secret,
    steady::an_outside_edit_drifts_at_exactly_its_address,
    steady::applied_once_the_plan_is_empty_and_applying_does_nothing,
    steady::exported_the_plan_is_empty,
    steady::planning_writes_nothing,
);

laws!(on_haproxy, super::haproxy::Pool<super::subject::Both>:
    approval::a_plan_edited_by_hand_is_refused,
    approval::a_plan_for_another_system_is_refused,
    approval::a_stale_plan_is_refused,
    approval::an_approved_plan_is_applied_and_may_be_applied_again,
    honest::what_cannot_be_read_makes_the_plan_incomplete,
    lock::an_interrupted_run_finishes_its_step_and_says_the_rest,
    lock::two_concurrent_runs_one_waits_or_names_the_holder,
    secret::no_output_holds_a_secret,
    steady::an_outside_edit_drifts_at_exactly_its_address,
    steady::applied_once_the_plan_is_empty_and_applying_does_nothing,
    steady::exported_the_plan_is_empty,
    steady::planning_writes_nothing,
);

// Each file is written whole: too short a moment to be interrupted in.
laws!(on_haproxy_file, super::haproxy::Pool<super::subject::FileOnly>:
    approval::a_plan_edited_by_hand_is_refused,
    approval::a_plan_for_another_system_is_refused,
    approval::a_stale_plan_is_refused,
    approval::an_approved_plan_is_applied_and_may_be_applied_again,
    honest::what_cannot_be_read_makes_the_plan_incomplete,
    lock::two_concurrent_runs_one_waits_or_names_the_holder,
    secret::no_output_holds_a_secret,
    steady::an_outside_edit_drifts_at_exactly_its_address,
    steady::applied_once_the_plan_is_empty_and_applying_does_nothing,
    steady::exported_the_plan_is_empty,
    steady::planning_writes_nothing,
);

laws!(on_nginx, super::nginx::Pool<super::subject::Both>:
    approval::a_plan_edited_by_hand_is_refused,
    approval::a_plan_for_another_system_is_refused,
    approval::a_stale_plan_is_refused,
    approval::an_approved_plan_is_applied_and_may_be_applied_again,
    honest::what_cannot_be_read_makes_the_plan_incomplete,
    lock::an_interrupted_run_finishes_its_step_and_says_the_rest,
    lock::two_concurrent_runs_one_waits_or_names_the_holder,
    secret::no_output_holds_a_secret,
    steady::an_outside_edit_drifts_at_exactly_its_address,
    steady::applied_once_the_plan_is_empty_and_applying_does_nothing,
    steady::exported_the_plan_is_empty,
    steady::planning_writes_nothing,
);

laws!(on_nginx_file, super::nginx::Pool<super::subject::FileOnly>:
    approval::a_plan_edited_by_hand_is_refused,
    approval::a_plan_for_another_system_is_refused,
    approval::a_stale_plan_is_refused,
    approval::an_approved_plan_is_applied_and_may_be_applied_again,
    honest::what_cannot_be_read_makes_the_plan_incomplete,
    lock::two_concurrent_runs_one_waits_or_names_the_holder,
    secret::no_output_holds_a_secret,
    steady::an_outside_edit_drifts_at_exactly_its_address,
    steady::applied_once_the_plan_is_empty_and_applying_does_nothing,
    steady::exported_the_plan_is_empty,
    steady::planning_writes_nothing,
);

#[cfg(feature = "redis")]
laws!(on_redis, super::redis::Cache:
    approval::a_plan_edited_by_hand_is_refused,
    approval::a_plan_for_another_system_is_refused,
    approval::a_stale_plan_is_refused,
    approval::an_approved_plan_is_applied_and_may_be_applied_again,
    honest::what_cannot_be_read_makes_the_plan_incomplete,
    lock::an_interrupted_run_finishes_its_step_and_says_the_rest,
    lock::two_concurrent_runs_one_waits_or_names_the_holder,
    secret::no_output_holds_a_secret,
    steady::an_outside_edit_drifts_at_exactly_its_address,
    steady::applied_once_the_plan_is_empty_and_applying_does_nothing,
    steady::exported_the_plan_is_empty,
    steady::planning_writes_nothing,
);

// Neither of these can be interrupted halfway: see the subjects.
#[cfg(feature = "postgres")]
laws!(on_pgbouncer, super::pgbouncer::Pooler<super::pgbouncer::Both>:
    approval::a_plan_edited_by_hand_is_refused,
    approval::a_plan_for_another_system_is_refused,
    approval::a_stale_plan_is_refused,
    approval::an_approved_plan_is_applied_and_may_be_applied_again,
    honest::what_cannot_be_read_makes_the_plan_incomplete,
    lock::two_concurrent_runs_one_waits_or_names_the_holder,
    secret::no_output_holds_a_secret,
    steady::an_outside_edit_drifts_at_exactly_its_address,
    steady::applied_once_the_plan_is_empty_and_applying_does_nothing,
    steady::exported_the_plan_is_empty,
    steady::planning_writes_nothing,
);

#[cfg(feature = "postgres")]
laws!(on_pgbouncer_file, super::pgbouncer::Pooler<super::pgbouncer::FileOnly>:
    approval::a_plan_edited_by_hand_is_refused,
    approval::a_plan_for_another_system_is_refused,
    approval::a_stale_plan_is_refused,
    approval::an_approved_plan_is_applied_and_may_be_applied_again,
    honest::what_cannot_be_read_makes_the_plan_incomplete,
    lock::two_concurrent_runs_one_waits_or_names_the_holder,
    secret::no_output_holds_a_secret,
    steady::an_outside_edit_drifts_at_exactly_its_address,
    steady::applied_once_the_plan_is_empty_and_applying_does_nothing,
    steady::exported_the_plan_is_empty,
    steady::planning_writes_nothing,
);

#[cfg(feature = "postgres")]
laws!(on_pgbouncer_console, super::pgbouncer::Pooler<super::pgbouncer::ConsoleOnly>:
    approval::a_plan_edited_by_hand_is_refused,
    approval::a_plan_for_another_system_is_refused,
    approval::a_stale_plan_is_refused,
    approval::an_approved_plan_is_applied_and_may_be_applied_again,
    honest::what_cannot_be_read_makes_the_plan_incomplete,
    lock::without_a_lock_the_plan_says_so,
    secret::no_output_holds_a_secret,
    steady::an_outside_edit_drifts_at_exactly_its_address,
    steady::applied_once_the_plan_is_empty_and_applying_does_nothing,
    steady::exported_the_plan_is_empty,
    steady::planning_writes_nothing,
);

laws!(on_app, super::app::Api:
    approval::a_plan_edited_by_hand_is_refused,
    approval::a_plan_for_another_system_is_refused,
    approval::a_stale_plan_is_refused,
    approval::an_approved_plan_is_applied_and_may_be_applied_again,
    honest::what_cannot_be_read_makes_the_plan_incomplete,
    lock::two_concurrent_runs_one_waits_or_names_the_holder,
    secret::no_output_holds_a_secret,
    steady::an_outside_edit_drifts_at_exactly_its_address,
    steady::applied_once_the_plan_is_empty_and_applying_does_nothing,
    steady::exported_the_plan_is_empty,
    steady::planning_writes_nothing,
);

// All changes are one write: there is no halfway at which a run could be interrupted.
#[cfg(feature = "http")]
laws!(on_caddy, super::caddy::Pool<super::caddy::Both>:
    approval::a_plan_edited_by_hand_is_refused,
    approval::a_plan_for_another_system_is_refused,
    approval::a_stale_plan_is_refused,
    approval::an_approved_plan_is_applied_and_may_be_applied_again,
    honest::what_cannot_be_read_makes_the_plan_incomplete,
    lock::two_concurrent_runs_one_waits_or_names_the_holder,
    secret::no_output_holds_a_secret,
    steady::an_outside_edit_drifts_at_exactly_its_address,
    steady::applied_once_the_plan_is_empty_and_applying_does_nothing,
    steady::exported_the_plan_is_empty,
    steady::planning_writes_nothing,
);

#[cfg(feature = "http")]
laws!(on_caddy_admin, super::caddy::Pool<super::caddy::AdminOnly>:
    approval::a_plan_edited_by_hand_is_refused,
    approval::a_plan_for_another_system_is_refused,
    approval::a_stale_plan_is_refused,
    approval::an_approved_plan_is_applied_and_may_be_applied_again,
    honest::what_cannot_be_read_makes_the_plan_incomplete,
    lock::without_a_lock_the_plan_says_so,
    secret::no_output_holds_a_secret,
    steady::an_outside_edit_drifts_at_exactly_its_address,
    steady::applied_once_the_plan_is_empty_and_applying_does_nothing,
    steady::exported_the_plan_is_empty,
    steady::planning_writes_nothing,
);

#[cfg(feature = "http")]
laws!(on_caddy_file, super::caddy::Pool<super::caddy::FileOnly>:
    approval::a_plan_edited_by_hand_is_refused,
    approval::a_plan_for_another_system_is_refused,
    approval::a_stale_plan_is_refused,
    approval::an_approved_plan_is_applied_and_may_be_applied_again,
    honest::what_cannot_be_read_makes_the_plan_incomplete,
    lock::two_concurrent_runs_one_waits_or_names_the_holder,
    secret::no_output_holds_a_secret,
    steady::an_outside_edit_drifts_at_exactly_its_address,
    steady::applied_once_the_plan_is_empty_and_applying_does_nothing,
    steady::exported_the_plan_is_empty,
    steady::planning_writes_nothing,
);

#[cfg(all(feature = "http", feature = "crash-points"))]
laws!(disturbed_on_caddy, super::caddy::Pool<super::caddy::Both>:
    crash::failed_at_any_step_it_converges,
    crash::killed_after_any_step_it_converges,
    crash::killed_before_any_step_it_converges,
);

#[cfg(feature = "crash-points")]
laws!(disturbed_on_haproxy, super::haproxy::Pool<super::subject::Both>:
    crash::failed_at_any_step_it_converges,
    crash::killed_after_any_step_it_converges,
    crash::killed_before_any_step_it_converges,
);

#[cfg(feature = "crash-points")]
laws!(disturbed_on_haproxy_file, super::haproxy::Pool<super::subject::FileOnly>:
    crash::failed_at_any_step_it_converges,
    crash::killed_after_any_step_it_converges,
    crash::killed_before_any_step_it_converges,
);

#[cfg(feature = "crash-points")]
laws!(disturbed_on_nginx, super::nginx::Pool<super::subject::Both>:
    crash::failed_at_any_step_it_converges,
    crash::killed_after_any_step_it_converges,
    crash::killed_before_any_step_it_converges,
);

#[cfg(feature = "crash-points")]
laws!(disturbed_on_nginx_file, super::nginx::Pool<super::subject::FileOnly>:
    crash::failed_at_any_step_it_converges,
    crash::killed_after_any_step_it_converges,
    crash::killed_before_any_step_it_converges,
);

#[cfg(all(feature = "sqlite", feature = "crash-points"))]
laws!(disturbed_on_sqlite, super::sqlite::Shop:
    crash::failed_at_any_step_it_converges,
    crash::killed_after_any_step_it_converges,
    crash::killed_before_any_step_it_converges,
);

#[cfg(all(feature = "postgres", feature = "crash-points"))]
laws!(disturbed_on_postgres, super::postgres::Shop:
    crash::failed_at_any_step_it_converges,
    crash::killed_after_any_step_it_converges,
    crash::killed_before_any_step_it_converges,
);

#[cfg(all(feature = "redis", feature = "crash-points"))]
laws!(disturbed_on_redis, super::redis::Cache:
    crash::failed_at_any_step_it_converges,
    crash::killed_after_any_step_it_converges,
    crash::killed_before_any_step_it_converges,
);

#[cfg(all(feature = "postgres", feature = "crash-points"))]
laws!(disturbed_on_pgbouncer, super::pgbouncer::Pooler<super::pgbouncer::Both>:
    crash::killed_after_any_step_it_converges,
    crash::killed_before_any_step_it_converges,
);

#[cfg(all(feature = "postgres", feature = "crash-points"))]
laws!(disturbed_on_pgbouncer_file, super::pgbouncer::Pooler<super::pgbouncer::FileOnly>:
    crash::killed_after_any_step_it_converges,
    crash::killed_before_any_step_it_converges,
);

#[cfg(all(feature = "postgres", feature = "crash-points"))]
laws!(disturbed_on_pgbouncer_console, super::pgbouncer::Pooler<super::pgbouncer::ConsoleOnly>:
    crash::killed_after_any_step_it_converges,
    crash::killed_before_any_step_it_converges,
);

#[cfg(feature = "crash-points")]
laws!(disturbed_on_app, super::app::Api:
    crash::killed_after_any_step_it_converges,
    crash::killed_before_any_step_it_converges,
);
