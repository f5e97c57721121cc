//! The scripts. Sent by hash; sent whole again when the server has lost them.
//!
//! A record is text: its version, its state, and for all states but completed what follows:
//! `1l{token}|{lease ms}|{kept ms}|{attempt}|{unsettled}|{one line a settled listener}`. A settled record keeps the token
//! that settled it, a completed one the beginning of it: `1c{10 digits}`.
//!
//! A server whose memory is full refuses what may take more, until a script has written something: where a claim that
//! was granted is kept or given up, the time to live is written first, so that such a server takes no new claims and
//! still lets those run to their end that it granted.

use redis::aio::MultiplexedConnection;
use redis::{Cmd, ErrorKind, FromRedisValue, RedisResult, ServerErrorKind};

/// Reads the fields of a record in `v`.
const FIELDS: &str = "local token, lease, kept, attempt, unsettled, ledger = \
    v:match('^1[lrd](%x*)|(%d+)|(%d+)|(%d+)|(%d+)|(.*)$')\n";

/// Answers 0 unless the record in `v` is live under the token in `ARGV[1]`.
const OWNED: &str = "local v = redis.call('GET', KEYS[1])\n\
    if not v or v:sub(1, 34) ~= '1l' .. ARGV[1] then return 0 end\n";

pub(super) struct Scripts {
    pub(super) claim: Script,
    pub(super) renew: Script,
    pub(super) record: Script,
    pub(super) settle: Script,
    pub(super) forget: Script,
}

/// A script of one key.
pub(super) struct Script {
    source: String,
    hash: String,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            claim: Script::new(CLAIM.replace("FIELDS", FIELDS)),
            renew: Script::new(format!("{OWNED}{FIELDS}{RENEW}")),
            record: Script::new(format!("{OWNED}{RECORD}")),
            settle: Script::new(SETTLE.replace("FIELDS", FIELDS)),
            forget: Script::new(FORGET.replace("FIELDS", FIELDS)),
        }
    }

    /// Takes a claim back that nobody heard of.
    pub(super) fn undo() -> Script {
        Script::new(format!("{OWNED}{FIELDS}{UNDO}"))
    }
}

impl Script {
    fn new(source: String) -> Self {
        Self { hash: redis::Script::new(&source).get_hash().to_owned(), source }
    }

    /// Has it run on a key, with the arguments that `add` adds.
    ///
    /// redis's own `Script` would allocate for each argument, and once more for what it sends.
    pub(super) async fn call<T: FromRedisValue>(
        &self,
        connection: &mut MultiplexedConnection,
        key: &str,
        add: impl Fn(&mut Cmd),
    ) -> RedisResult<T> {
        let command = |verb: &str, script: &str| {
            let mut command = Cmd::with_capacity(10, script.len() + key.len() + 120);
            command.arg(verb).arg(script).arg(1).arg(key);
            add(&mut command);
            command
        };
        match command("EVALSHA", &self.hash).query_async(connection).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                command("EVAL", &self.source).query_async(connection).await
            }
            answer => answer,
        }
    }
}

/// Arguments: token, lease, how long the record is kept, the most attempts that may go unsettled.
const CLAIM: &str = r"
local v = redis.call('GET', KEYS[1])
if not v then
    redis.call('SET', KEYS[1], '1l' .. ARGV[1] .. '|' .. ARGV[2] .. '|' .. ARGV[3] .. '|1|1|', 'PX', ARGV[3])
    return {'granted', 1, ''}
end
if v:match('^1c%x*$') then return {'completed', 0, ''} end
FIELDS
if not token then return {'busy', tonumber(ARGV[2]), ''} end
local state = v:sub(2, 2)
if state == 'l' and token == ARGV[1] then return {'granted', tonumber(attempt), ledger} end
if state == 'l' then
    local left = redis.call('PTTL', KEYS[1]) - (kept - lease)
    if left > 0 then return {'busy', left, ''} end
    if tonumber(unsettled) >= tonumber(ARGV[4]) then
        redis.call('SET', KEYS[1], '1d|0|' .. ARGV[3] .. '|' .. attempt .. '|0|' .. ledger, 'PX', ARGV[3])
        return {'crash_loop', tonumber(attempt), ''}
    end
end
if state == 'd' then
    local done = ''
    for line in ledger:gmatch('[^\n]*\n') do
        if line:sub(1, 1) == '+' then done = done .. line end
    end
    ledger = done
end
attempt = attempt + 1
unsettled = unsettled + 1
redis.call('SET', KEYS[1],
    '1l' .. ARGV[1] .. '|' .. ARGV[2] .. '|' .. ARGV[3] .. '|'
        .. string.format('%d|%d|', attempt, unsettled) .. ledger,
    'PX', ARGV[3])
return {'granted', attempt, ledger}
";

/// Arguments: token, lease.
const RENEW: &str = r"
if tonumber(ARGV[2]) > tonumber(kept) then kept = ARGV[2] end
redis.call('PEXPIRE', KEYS[1], kept)
redis.call('SET', KEYS[1],
    '1l' .. token .. '|' .. ARGV[2] .. '|' .. kept .. '|' .. attempt .. '|' .. unsettled .. '|' .. ledger,
    'KEEPTTL')
return 1
";

/// Arguments: token, line. The time to live stays as it is.
const RECORD: &str = r"
local left = redis.call('PTTL', KEYS[1])
if left > 0 then redis.call('PEXPIRE', KEYS[1], left) end
redis.call('APPEND', KEYS[1], ARGV[2])
return 1
";

/// Arguments: token, state, retention, lines. Answers 1 too when the record is as this settlement left it: it was asked
/// for before, and the answer was lost. Only a full server refuses the first `SET`: the others are spared a command.
const SETTLE: &str = r"
local v = redis.call('GET', KEYS[1])
local mine = '1' .. ARGV[2] .. (ARGV[2] == 'c' and ARGV[1]:sub(1, 10) or ARGV[1])
if v and v:sub(1, #mine) == mine then return 1 end
if not v or v:sub(1, 34) ~= '1l' .. ARGV[1] then return 0 end
if ARGV[2] ~= 'c' then
    FIELDS
    mine = mine .. '|0|' .. ARGV[3] .. '|' .. attempt .. '|0|' .. ARGV[4]
end
local set = redis.pcall('SET', KEYS[1], mine, 'PX', ARGV[3])
if set.err then
    redis.call('PEXPIRE', KEYS[1], ARGV[3])
    redis.call('SET', KEYS[1], mine, 'KEEPTTL')
end
return 1
";

/// Arguments: token. Of a first attempt nothing is left; of a later one, what the earlier ones had come to.
const UNDO: &str = r"
if attempt == '1' then return redis.call('DEL', KEYS[1]) end
redis.call('PEXPIRE', KEYS[1], kept)
redis.call('SET', KEYS[1],
    '1r|0|' .. kept .. '|' .. string.format('%d|%d|', attempt - 1, unsettled - 1) .. ledger, 'KEEPTTL')
return 1
";

const FORGET: &str = r"
local v = redis.call('GET', KEYS[1])
if not v then return 0 end
FIELDS
-- Of a version that this build does not know: it may well be live.
if not token and not v:match('^1c%x*$') then return 0 end
if v:sub(2, 2) == 'l' and redis.call('PTTL', KEYS[1]) - (kept - lease) > 0 then return 0 end
return redis.call('DEL', KEYS[1])
";
