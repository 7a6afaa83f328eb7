"""The cluster engine: bytes in an object store, their order in etcd, no state on any machine."""
