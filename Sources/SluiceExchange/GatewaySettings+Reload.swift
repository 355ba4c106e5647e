extension GatewaySettings {
    /// These settings with everything of `new` that a running gateway can take over.
    ///
    /// Pools are matched by name; one that is new or gone waits for a restart, as does every key
    /// outside of pools but the files of `tls`, where there is TLS already, and the values of
    /// classes and tenants. Which classes there are, and in which order, waits for a restart:
    /// requests and metrics hold their numbers.
    package func adopting(_ new: GatewaySettings) -> GatewaySettings {
        var adopted = self
        if tls != nil, let files = new.tls { adopted.tls = files }
        for index in adopted.pools.indices {
            let name = adopted.pools[index].name
            guard let pool = new.pools.first(where: { $0.name == name }) else { continue }
            adopted.pools[index].adopt(pool)
        }
        if new.classes.map(\.name) == classes.map(\.name) { adopted.classes = new.classes }
        let known = Set(classes.map(\.name))
        if known.contains(new.defaultClass) { adopted.defaultClass = new.defaultClass }
        let named = new.tenants.flatMap { [$0.defaultClass, $0.classMax].compactMap { $0 } }
        if known.isSuperset(of: named) { adopted.tenants = new.tenants }
        return adopted
    }
}

extension PoolSettings {
    /// Takes over what can change while requests run; `retries`, `usage`, `enginePriority`
    /// and `orca` cannot, as the workers hold them.
    fileprivate mutating func adopt(_ new: PoolSettings) {
        var adopted = new
        adopted.retries = retries
        adopted.usage = usage
        adopted.enginePriority = enginePriority
        adopted.orca = orca
        self = adopted
    }
}
