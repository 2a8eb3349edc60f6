//! The format of a log line.

use std::fmt;
use std::fmt::Debug;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{Format, Full, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use crate::{http, trace};

/// One JSON object: `timestamp`, `level`, `service`, `target`, `message`, then the fields of the event and of the spans
/// around it. Of fields with the same name, the event's is written, or else the innermost span's.
pub(super) struct Json {
    service: &'static str,
}

impl Json {
    pub(super) fn new(service: &'static str) -> Self {
        Self { service }
    }
}

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut fields = fields.0;
        let spans = context.event_scope().into_iter().flatten();
        for span in spans {
            let extensions = span.extensions();
            let inherited = extensions.get::<FormattedFields<N>>();
            let inherited =
                inherited.and_then(|fields| serde_json::from_str::<Map<_, _>>(fields).ok());
            for (name, value) in inherited.unwrap_or_default() {
                // These fields are only for traces.
                if !name.starts_with("otel.") {
                    fields.entry(name).or_insert(value);
                }
            }
        }
        if let Some(id) = http::request_id() {
            fields
                .entry("request_id")
                .or_insert_with(|| id.as_str().into());
        }
        if let Some(trace) = trace::current() {
            fields
                .entry("trace_id")
                .or_insert_with(|| trace.to_string().into());
        }
        // Events from the `log` crate have their target in a field.
        let target = fields.remove("log.target");
        let target = target
            .as_ref()
            .and_then(Value::as_str)
            .unwrap_or(event.metadata().target());
        let message = fields.remove("message").unwrap_or_default();

        writer.write_str("{\"timestamp\":\"")?;
        SystemTime.format_time(&mut writer)?;
        let level = event.metadata().level();
        write!(
            writer,
            "\",\"level\":\"{level}\",\"service\":{},\"target\":{},\"message\":{message}",
            Value::from(self.service),
            Value::from(target),
        )?;
        for (name, value) in &fields {
            if !name.starts_with("log.") && !matches!(name.as_str(), "service" | "target" | "level")
            {
                write!(writer, ",{}:{value}", Value::from(name.as_str()))?;
            }
        }
        writer.write_str("}\n")
    }
}

/// A line for a terminal, with the request's id at its end.
pub(super) struct Readable(Format<Full, SystemTime>);

impl Readable {
    pub(super) fn new() -> Self {
        Self(Format::default().with_target(false).with_ansi(true))
    }
}

impl<S, N> FormatEvent<S, N> for Readable
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let Some(id) = http::request_id() else {
            return self.0.format_event(context, writer, event);
        };
        let mut line = String::new();
        self.0
            .format_event(context, Writer::new(&mut line), event)?;
        writeln!(writer, "{} request_id={}", line.trim_end(), id.as_str())
    }
}

/// The fields of an event.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn add(&mut self, field: &Field, value: impl Into<Value>) {
        // A raw identifier: `r#type` is the field `type`.
        let name = field.name();
        let name = name.strip_prefix("r#").unwrap_or(name);
        self.0.insert(name.to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value);
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        match u64::try_from(value) {
            Ok(value) => self.add(field, value),
            Err(_) => self.add(field, value.to_string()),
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.add(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::MakeWriter;
    use tracing_subscriber::fmt::format::JsonFields;

    use super::*;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Buffer {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    /// The log lines of `work`.
    fn log_of(work: impl FnOnce()) -> String {
        let buffer = Buffer::default();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(buffer.clone())
            .fmt_fields(JsonFields::new())
            .event_format(Json::new("tester"))
            .finish();
        tracing::subscriber::with_default(subscriber, work);
        let bytes = buffer.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_line_has_the_fields_of_its_spans_and_its_own_take_precedence() {
        let text = log_of(|| {
            let outer = tracing::info_span!(
                "outer",
                job = "job_1",
                payment = "pay_1",
                otel.kind = "consumer"
            );
            let _outer = outer.enter();
            let inner = tracing::info_span!(
                "inner",
                payment = "pay_2",
                tries = 3,
                later = tracing::field::Empty
            );
            inner.record("later", "known");
            let _inner = inner.enter();
            tracing::warn!(tries = 4, "quotes \" and\nlines are one line");
        });
        assert_eq!(text.lines().count(), 1);
        let mut line: Map<String, Value> = serde_json::from_str(&text).unwrap();
        assert!(
            line.remove("timestamp")
                .unwrap()
                .as_str()
                .unwrap()
                .ends_with('Z')
        );
        let expected = serde_json::json!({
            "level": "WARN", "service": "tester", "target": module_path!(),
            "message": "quotes \" and\nlines are one line",
            "job": "job_1", "payment": "pay_2", "tries": 4, "later": "known",
        });
        assert_eq!(Value::from(line), expected);
    }

    #[test]
    fn no_field_is_twice_in_a_line() {
        let text = log_of(|| tracing::info!(service = "other", target = "t", level = 1, "m"));
        for name in ["service", "target", "level", "message"] {
            assert_eq!(text.matches(&format!("\"{name}\":")).count(), 1, "{text}");
        }
    }
}
