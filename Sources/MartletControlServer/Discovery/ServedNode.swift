// MartletControlServer is the control plane's doors: xDS over gRPC (Discovery), and the REST API (API). What is behind them
// is MartletControl's.
