//! kms-gateway
