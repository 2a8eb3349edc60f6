//! Exports spans to a collector with OTLP (protobuf over HTTP).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider, SpanData};
use opentelemetry_sdk::{Resource, trace as sdk};
use tokio::runtime::{Builder, Handle, Runtime};

use crate::env::early;
use crate::trace::{Ids, share};

/// The path that is appended to `OTEL_EXPORTER_OTLP_ENDPOINT`, as the specification requires.
const PATH: &str = "v1/traces";

static EXPORT: OnceLock<Export> = OnceLock::new();

/// Kept until the process ends. The export has its own runtime, because logging starts before a service's runtime and ends
/// after it.
struct Export {
    provider: SdkTracerProvider,
    _runtime: Runtime,
}

/// A tracer that exports to the endpoint of the environment; `None` without an endpoint.
///
/// # Errors
/// If the exporter cannot be made.
pub(super) fn start(service: &'static str) -> Result<Option<SdkTracer>, String> {
    let Some(endpoint) = early("OTEL_EXPORTER_OTLP_ENDPOINT") else {
        return Ok(None);
    };
    if EXPORT.get().is_some() {
        return Ok(None);
    }
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{}/{PATH}", endpoint.trim_end_matches('/')))
        .build()
        .map_err(|error| error.to_string())?;
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("traces")
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let name = early("OTEL_SERVICE_NAME").unwrap_or_else(|| service.to_owned());
    let provider = SdkTracerProvider::builder()
        .with_sampler(share::Share)
        .with_id_generator(Ids::default())
        .with_resource(Resource::builder().with_service_name(name).build())
        .with_batch_exporter(Exporter {
            inner: Arc::new(exporter),
            runtime: runtime.handle().clone(),
            failing: AtomicBool::new(false),
        })
        .build();
    let tracer = provider.tracer("pawl");
    let _ = EXPORT.set(Export {
        provider,
        _runtime: runtime,
    });
    Ok(Some(tracer))
}

/// Exports the remaining spans and ends the export.
pub(super) fn stop(timeout: Duration) {
    if let Some(export) = EXPORT.get()
        && let Err(error) = export.provider.shutdown_with_timeout(timeout)
    {
        tracing::debug!(%error, "failed to export the last spans; they are lost");
    }
}

/// Exports within a Tokio runtime, which the SDK's own thread does not have, and logs when the collector fails and when it
/// is back.
#[derive(Debug)]
struct Exporter {
    inner: Arc<SpanExporter>,
    runtime: Handle,
    failing: AtomicBool,
}

impl sdk::SpanExporter for Exporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let inner = Arc::clone(&self.inner);
        let sending = self.runtime.spawn(async move { inner.export(batch).await });
        let sent = sending
            .await
            .unwrap_or_else(|error| Err(OTelSdkError::InternalFailure(error.to_string())));
        let failed = self.failing.swap(sent.is_err(), Ordering::Relaxed);
        match &sent {
            Err(error) if !failed => {
                tracing::warn!(%error, "failed to export spans to the trace collector; they are lost");
            }
            Ok(()) if failed => tracing::info!("spans are exported to the trace collector again"),
            _ => {}
        }
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        if let Some(inner) = Arc::get_mut(&mut self.inner) {
            inner.set_resource(resource);
        }
    }
}
