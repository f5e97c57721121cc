CREATE TABLE IF NOT EXISTS webhook_effects (
    event        text        NOT NULL,
    listener     text        NOT NULL,
    source       text        NOT NULL,
    event_id     text,
    committed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (event, listener)
);
CREATE INDEX IF NOT EXISTS webhook_effects_committed_at ON webhook_effects (committed_at);
COMMENT ON TABLE webhook_effects IS 'webhooks 1';
