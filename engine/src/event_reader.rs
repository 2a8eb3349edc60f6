//! Reads Stripe's list of events, so that an event whose webhook never came is in the inbox all the same.
//!
//! While webhooks arrive, only the events that Stripe could not deliver are listed. When the newest ones that must have
//! arrived by now are missing in the inbox, webhooks are off or go elsewhere, and all events are read. The cursor moves when
//! all events of a range are stored; a range that is read twice changes nothing, because the inbox knows events by their ids.

use std::time::Duration;

use infra::metrics::{Counters, Gauges};
use infra::postgres;
use serde_json::value::RawValue;
use sqlx::PgPool;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::store::{event_cursor, inbox};
use crate::stripe::{Client, EventRange, Failure};
use crate::webhook;

static FOUND: Counters<0> = Counters::new(
    "pawl_events_found_total",
    "Events that were in Stripe's list and not in the inbox: their webhooks had not come.",
    [],
);
static BEHIND: Gauges<0> = Gauges::new(
    "pawl_event_cursor_behind_seconds",
    "How far the list of Stripe's events had been read at the end of the last round of this worker, as an age.",
    [],
);

/// The pause between two rounds of all workers together.
const EVERY: Duration = Duration::from_secs(30);

/// The pause between two checks whether a round is due.
const TICK: Duration = Duration::from_secs(5);

/// How long a worker may take for a round before another one may begin it anew.
const LEASE: Duration = Duration::from_mins(2);

/// The most pages of a range that are read before the range is halved, so that the cursor moves on under any load.
const MOST_PAGES: usize = 20;

/// How much of what was read before is read again: Stripe's events may appear after later ones.
const OVERLAP_SECONDS: i64 = 60;

/// Stripe lists events for 30 days.
const LISTED_SECONDS: i64 = 30 * 24 * 60 * 60;

/// How long a webhook may take before its absence counts.
pub(crate) const WEBHOOK_TAKES: Duration = Duration::from_mins(1);

/// How long an event that was found waits in the inbox: nothing, because its webhook is late anyway.
const DELAY: Duration = Duration::ZERO;

/// Why a round ended early. The next one begins where the cursor is.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RoundError {
    /// Stripe did not answer a read.
    #[error("Stripe: {0}")]
    Stripe(#[from] Box<Failure>),
    /// Postgres failed.
    #[error("Postgres: {0}")]
    Postgres(#[from] sqlx::Error),
}

/// Reads Stripe's list of events.
pub(crate) struct EventReader {
    pub(crate) pool: PgPool,
    pub(crate) stripe: Client,
}

impl EventReader {
    /// Reads until `shutdown`.
    pub(crate) async fn run(&self, shutdown: &CancellationToken) {
        while shutdown.run_until_cancelled(sleep(TICK)).await.is_some() {
            let round = shutdown.run_until_cancelled(self.round(WEBHOOK_TAKES));
            if let Some(Err(error)) = round.await {
                tracing::warn!(%error, "failed to read Stripe's list of events; reading on in 30 s from the same place");
            }
        }
    }

    /// One round, if it is due and no other worker is at it. An event that is older than `webhook_takes` should have come by
    /// a webhook. Returns how many events were not in the inbox.
    pub(crate) async fn round(&self, webhook_takes: Duration) -> Result<u64, RoundError> {
        let Some(cursor) = postgres::within(event_cursor::claim(&self.pool, LEASE)).await? else {
            return Ok(0);
        };
        let result = self.read_from(cursor, webhook_takes).await;
        postgres::within(event_cursor::release(&self.pool, EVERY)).await?;
        result
    }

    async fn read_from(
        &self,
        cursor: event_cursor::Claimed,
        webhook_takes: Duration,
    ) -> Result<u64, RoundError> {
        let now = cursor.now;
        let takes = i64::try_from(webhook_takes.as_secs()).unwrap_or(i64::MAX);
        let from = (cursor.read_until - OVERLAP_SECONDS).max(now - LISTED_SECONDS);
        let arrived = EventRange {
            from,
            to: now.saturating_sub(takes),
        };
        let undelivered_only = self.webhooks_arrive(arrived).await?;
        if !undelivered_only {
            tracing::warn!(
                "the newest events of Stripe did not come as webhooks; all events are read from Stripe's list until they do"
            );
        }
        let (mut from, mut found) = (from, 0);
        while from <= now {
            let (read_until, stored) = self.read_range(from, now, undelivered_only).await?;
            found += stored;
            postgres::within(event_cursor::advance(&self.pool, read_until)).await?;
            BEHIND.with_labels([]).set(f64::from(
                i32::try_from(now - read_until).unwrap_or(i32::MAX),
            ));
            from = read_until + 1;
        }
        if found > 0 {
            FOUND.with_labels([]).increment(found);
            tracing::info!(
                events = found,
                "found events in Stripe's list whose webhooks had not come; they are applied like webhooks"
            );
        }
        Ok(found)
    }

    /// Whether the newest events that should have come as webhooks are in the inbox; yes, where there are none.
    async fn webhooks_arrive(&self, range: EventRange) -> Result<bool, RoundError> {
        if range.to < range.from {
            return Ok(true);
        }
        let mut ids = Vec::new();
        for types in webhook::enabled_chunks() {
            let page = self.stripe.list_events(&types, range, false, None).await;
            ids.extend(page.map_err(Box::new)?.0.iter().map(|it| name(it).id));
        }
        let missing = postgres::within(inbox::missing(&self.pool, &ids)).await?;
        Ok(missing.is_empty())
    }

    /// Reads the events from `from` on, at most until `to`, and stores those that are missing. Returns until when it read,
    /// which is earlier where there are many, and how many it stored.
    async fn read_range(
        &self,
        from: i64,
        to: i64,
        undelivered_only: bool,
    ) -> Result<(i64, u64), RoundError> {
        let (mut to, mut stored) = (to, 0);
        loop {
            let mut complete = true;
            for types in webhook::enabled_chunks() {
                let range = EventRange { from, to };
                let (all, new) = self.read_types(&types, range, undelivered_only).await?;
                stored += new;
                complete &= all;
            }
            if complete {
                return Ok((to, stored));
            }
            to = from + (to - from) / 2;
        }
    }

    /// Reads the events of some types. Returns whether it read all of them, and how many it stored.
    async fn read_types(
        &self,
        types: &[&'static str],
        range: EventRange,
        undelivered_only: bool,
    ) -> Result<(bool, u64), RoundError> {
        let (mut after, mut stored, mut pages): (Option<String>, u64, usize) = (None, 0, 0);
        loop {
            let page = self
                .stripe
                .list_events(types, range, undelivered_only, after.as_deref());
            let (events, more) = page.await.map_err(Box::new)?;
            let new: Vec<inbox::New> = events.iter().map(|event| row(event)).collect();
            after = new.last().map(|event| event.id.clone());
            stored += postgres::within(inbox::add(&self.pool, &new, DELAY)).await?;
            pages += 1;
            if !more || after.is_none() {
                return Ok((true, stored));
            }
            // A range of one second cannot be halved; it is read to its end.
            if pages == MOST_PAGES && range.from < range.to {
                return Ok((false, stored));
            }
        }
    }
}

fn name(event: &RawValue) -> webhook::Name {
    webhook::name(event.get().as_bytes())
}

fn row(event: &RawValue) -> inbox::New {
    let webhook::Name { id, r#type } = name(event);
    inbox::New {
        id,
        r#type,
        payload: event.get().as_bytes().to_vec(),
    }
}
