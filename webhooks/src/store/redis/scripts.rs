//! The scripts. Sent by hash; sent whole again when the server has lost them.
//!
//! A record is text: its version, its state, and for all states but completed what follows:
//! `1l{token}|{lease ms}|{kept ms}|{attempt}|{unsettled}|{one line a settled listener}`.

use redis::Script;

/// Reads the fields of a record in `v`.
const FIELDS: &str = "local token, lease, kept, attempt, unsettled, ledger = \
    v:match('^1%l(%x*)|(%d+)|(%d+)|(%d+)|(%d+)|(.*)$')\n";

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

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            claim: Script::new(&CLAIM.replace("FIELDS", FIELDS)),
            renew: Script::new(&format!("{OWNED}{FIELDS}{RENEW}")),
            record: Script::new(&format!("{OWNED}{RECORD}")),
            settle: Script::new(&format!("{OWNED}{}", SETTLE.replace("FIELDS", FIELDS))),
            forget: Script::new(&FORGET.replace("FIELDS", FIELDS)),
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
if v == '1c' then return {'completed', 0, ''} end
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
redis.call('SET', KEYS[1],
    '1l' .. token .. '|' .. ARGV[2] .. '|' .. kept .. '|' .. attempt .. '|' .. unsettled .. '|' .. ledger,
    'PX', kept)
return 1
";

/// Arguments: token, line. Appending keeps the time to live.
const RECORD: &str = r"
redis.call('APPEND', KEYS[1], ARGV[2])
return 1
";

/// Arguments: token, state, retention, lines.
const SETTLE: &str = r"
if ARGV[2] == 'c' then
    redis.call('SET', KEYS[1], '1c', 'PX', ARGV[3])
    return 1
end
FIELDS
redis.call('SET', KEYS[1], '1' .. ARGV[2] .. '|0|' .. ARGV[3] .. '|' .. attempt .. '|0|' .. ARGV[4], 'PX', ARGV[3])
return 1
";

const FORGET: &str = r"
local v = redis.call('GET', KEYS[1])
if not v then return 0 end
FIELDS
-- Of a version that this build does not know: it may well be live.
if v ~= '1c' and not token then return 0 end
if v:sub(2, 2) == 'l' and redis.call('PTTL', KEYS[1]) - (kept - lease) > 0 then return 0 end
return redis.call('DEL', KEYS[1])
";
