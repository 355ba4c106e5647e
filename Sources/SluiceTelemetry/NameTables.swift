/// The models that have a label of their own; all others share `other`.
///
/// Filled by the control thread from configuration and discovery, then handed to the workers as a
/// value. An index once given keeps its name, because shards count by index.
package struct ModelTable: Sendable {
    /// Models with a name of their own at most.
    package static let namesMax = 64
    /// The index of every model without a name of its own.
    package static let other: UInt16 = 64

    /// Names in the order of their indexes.
    package private(set) var names: [String] = []
    private var indexes: [String: UInt16] = [:]

    /// An empty table.
    package init() {}

    /// The index of `name`, given now if there is room, else ``other``.
    package mutating func intern(_ name: String) -> UInt16 {
        if let index = indexes[name] { return index }
        guard names.count < Self.namesMax, !name.isEmpty else { return Self.other }
        let index = UInt16(names.count)
        names.append(name)
        indexes[name] = index
        return index
    }

    /// The index of `name`, or ``other``.
    package func index(of name: String) -> UInt16 { indexes[name] ?? Self.other }

    /// The name behind an index.
    package func name(_ index: UInt16) -> String {
        Int(index) < names.count ? names[Int(index)] : "other"
    }
}

/// The names behind the small integers that records and shards hold.
package struct NameTables: Sendable {
    /// Values of the label `model_name`.
    package var models = ModelTable()
    /// Values of the label `class`, at most 16.
    package var classes: [String] = ["default"]
    /// Values of the label `pool`, at most 256.
    package var pools: [String] = []
    /// Tenants: all names in the log, the first ``tenantLabelsMax`` as values of the label `tenant`.
    package var tenants: [String] = []
    /// Replicas by index; nil for one that is gone for good and whose series are no longer shown.
    package var replicas: [ReplicaName?] = []
    /// How many of them there are now; the others' series are shown for a while longer.
    package var replicasInUse = 0
    /// Labels of the request parser's errors, by the index given to ``MetricShard/parseError``.
    package var requestErrors: [String] = []
    /// Labels of the response parser's errors.
    package var responseErrors: [String] = []
    /// Labels of the reasons for which a replica is picked.
    package var routingReasons: [String] = []

    /// Values of the label `tenant` at most, besides `other`.
    package static let tenantLabelsMax = 200

    /// Tables that know only the class `default`.
    package init() {}

    /// The name of a class, `other` for an index outside the table.
    package func className(_ index: UInt8) -> String {
        Int(index) < classes.count ? classes[Int(index)] : "other"
    }
    /// The name of a pool, empty for an index outside the table.
    package func poolName(_ index: Int16) -> String {
        pools.indices.contains(Int(index)) ? pools[Int(index)] : ""
    }
    /// The name of a tenant, empty for an index outside the table.
    package func tenantName(_ index: Int16) -> String {
        tenants.indices.contains(Int(index)) ? tenants[Int(index)] : ""
    }
    /// The label of a tenant: its name, or `other` beyond ``tenantLabelsMax``.
    package func tenantLabel(_ index: UInt16) -> String {
        let index = Int(index)
        return index < Self.tenantLabelsMax && index < tenants.count ? tenants[index] : "other"
    }
    /// The name of a replica, nil for an index outside the table or a replica long gone.
    package func replica(_ index: Int32) -> ReplicaName? {
        replicas.indices.contains(Int(index)) ? replicas[Int(index)] : nil
    }
}

/// A replica as its labels name it.
package struct ReplicaName: Hashable, Sendable {
    /// The value of the label `pool`.
    package let pool: String
    /// The value of the label `replica`: `host:port`, or a configured or discovered name.
    package let name: String

    /// A replica `name` of `pool`.
    package init(pool: String, name: String) {
        self.pool = pool
        self.name = name
    }
}
