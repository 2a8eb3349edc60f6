//! worker-service
