//! A server that can be killed, paused and restarted.

use std::net::TcpStream;
use std::sync::Arc;

use support::postgres_server::{Options, PostgresServer};

#[test]
fn answers_when_started() {
    let server = PostgresServer::shared();
    assert_eq!(server.query("SELECT 1, 'two'; SELECT 3"), "1|two\n3");
    assert_eq!(server.query("SHOW fsync"), "off");
    assert!(Arc::ptr_eq(&server, &PostgresServer::shared()));
}

#[test]
fn has_databases_that_are_apart() {
    let server = PostgresServer::shared();
    let (one, other) = (server.database(), server.database());
    server.query_in(&one, "CREATE TABLE t ()");
    assert_eq!(server.query_in(&one, "SELECT to_regclass('t')"), "t");
    assert_eq!(server.query_in(&other, "SELECT to_regclass('t')"), "");
}

#[test]
fn keeps_what_it_acknowledged_when_killed() {
    let mut server = Options::default().durable().start();
    assert_eq!(server.query("SHOW fsync"), "on");
    server.query("CREATE TABLE t (n int); INSERT INTO t VALUES (7)");
    server.kill9();
    assert!(TcpStream::connect(server.address()).is_err());
    server.restart();
    assert_eq!(server.query("SELECT n FROM t"), "7");
}

#[test]
fn stands_still_and_goes_on() {
    let mut server = PostgresServer::start();
    server.stop();
    server.resume();
    assert_eq!(server.query("SELECT 1"), "1");
    server.stop();
    server.restart();
    assert_eq!(server.query("SELECT 1"), "1");
}
