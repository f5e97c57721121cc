//! A server that can be killed, paused and restarted.

use std::net::TcpStream;

use support::redis_server::{Options, RedisServer};

#[test]
fn answers_when_started() {
    let server = RedisServer::start();
    assert_eq!(server.command(&["SET", "key", "value"]), "+OK");
    assert_eq!(server.command(&["GET", "key"]), "$5\r\nvalue");
}

#[test]
fn keeps_what_it_acknowledged_when_killed() {
    let mut server = Options::redis().append_only().start();
    server.command(&["SET", "key", "value"]);
    server.kill9();
    assert!(TcpStream::connect(server.address()).is_err());
    server.restart();
    assert_eq!(server.command(&["GET", "key"]), "$5\r\nvalue");
}

#[test]
fn stands_still_and_goes_on() {
    let mut server = RedisServer::start();
    server.stop();
    server.resume();
    assert_eq!(server.command(&["PING"]), "+PONG");
    server.stop();
    server.restart();
    assert_eq!(server.command(&["PING"]), "+PONG");
}

#[test]
fn takes_options() {
    let server = Options::redis().max_memory("4mb", "allkeys-lru").start();
    assert!(server.command(&["CONFIG", "GET", "maxmemory-policy"]).ends_with("allkeys-lru"));
}

#[test]
fn many_side_by_side() {
    let servers: Vec<_> = (0..4).map(|_| std::thread::spawn(RedisServer::start)).collect();
    for server in servers {
        assert_eq!(server.join().expect("started").command(&["DBSIZE"]), ":0");
    }
}

#[test]
fn valkey_where_there_is_one() {
    if let Some(valkey) = Options::valkey() {
        assert_eq!(valkey.start().command(&["PING"]), "+PONG");
    }
}
