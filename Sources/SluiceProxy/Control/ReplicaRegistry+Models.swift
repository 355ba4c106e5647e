import SluiceBytes
import SluiceEndpoint
import SluiceExchange
import SluiceHTTP
import SluiceReactor
import SluiceTelemetry
import SluiceTime
import SluiceTraffic
import SluiceVLLM

// Control thread only.

/// What the pools serve, and who tells so: the directory that workers look into.
extension ReplicaRegistry {
    /// A replica stands otherwise: that matters where the models of all are known now, or no longer.
    func standingChanged() {
        if modelsKnown != shared.currentDirectory().modelsKnown { modelsChanged() }
    }

    /// A replica has told what it serves.
    func modelsChanged() { publish(shared.currentDirectory()) }

    func publish(_ old: ReplicaDirectory) {
        var directory = old
        directory.removeModels()
        directory.adopt(pools, classes)
        tellAdapters()
        var lists: [[Model]] = []
        for (index, pool) in pools.enumerated() {
            for model in pool.models + pool.aliases {
                directory.add(
                    model: model, pool: index, label: names.models.intern(model),
                    adapter: adapters.number(of: model))
            }
        }
        for agent in agents {
            let models = agent.models ?? []
            lists.append(models)
            for model in models {
                let label = names.models.intern(model.parent ?? model.id)
                directory.add(
                    model: model.id, pool: agent.pool, label: label,
                    adapter: adapters.number(of: model.id))
                seenModels.tell(model.id, pool: agent.pool, label: label, now: loop.now)
            }
        }
        seenModels.expire(now: loop.now)
        for (model, place) in seenModels.places {
            directory.add(
                model: model, pool: place.pool, label: place.label,
                adapter: adapters.number(of: model))
        }
        directory.modelsKnown = modelsKnown
        directory.modelsPage = modelsPage(lists)
        directory.callers = callers
        noteReplicas(in: &directory)
        shared.publish(directory)
    }

    /// Which replicas there are, for the names that records and metrics have of them.
    func noteReplicas(in directory: inout ReplicaDirectory) {
        let inUse = Set(directory.endpoints.joined().compactMap { $0?.recordIndex })
        replicaNames.note(inUse: inUse, now: loop.now)
        names.replicas = replicaNames.names
        names.replicasInUse = inUse.count
        directory.names = names
    }

    private var modelsKnown: ModelsKnown {
        guard agents.contains(where: { $0.models != nil }),
            !agents.contains(where: { $0.standing == .answering })
        else { return .some }
        let haveAllTold = agents.allSatisfy { $0.standing == .told }
        return haveAllTold && !lacksAddresses ? .all : .ofThosePresent
    }

    /// Whether a replica that is configured by name has no address yet, or a pool of those that a name
    /// has none and has never told a model.
    private var lacksAddresses: Bool {
        pools.indices.contains { index in
            let isNamed = pools[index].replicas.contains { addresses.place(of: $0) == nil }
            let isEmpty = pools[index].replicaDNS != nil && !agents.contains { $0.pool == index }
            return isNamed || isEmpty && !seenModels.places.values.contains { $0.pool == index }
        }
    }

    /// Numbers the adapters of all replicas, and tells the pools who lists which.
    private func tellAdapters() {
        for agent in agents {
            guard let models = agent.models else { continue }
            agent.list(adapters: numbers(ofAdapters: models.filter { $0.parent != nil }.map(\.id)))
        }
    }

    /// The numbers of adapters, whether a replica has listed them yet or not; those beyond the bound
    /// are left out.
    func numbers(ofAdapters names: [String]) -> [UInt16] {
        names.map { adapters.intern($0) }.filter { $0 != 0 }
    }

    /// The union of all pools' models, and configured names that no replica has told; where no replica is
    /// left that has told any, those remembered. Empty where nobody has ever told, and some may yet.
    private func modelsPage(_ lists: [[Model]]) -> [UInt8] {
        let told = Set(lists.joined().map(\.id))
        let remembered = told.isEmpty ? seenModels.places.keys.sorted().map { Model(id: $0) } : []
        let configured = pools.flatMap { $0.models + $0.aliases }
            .filter { !told.contains($0) }
            .map { Model(id: $0) }
        let models = ModelList.union(lists + [configured, remembered])
        guard !models.isEmpty || agents.contains(where: { $0.models != nil }) else { return [] }
        var page = ByteBuffer()
        ModelList.write(models, into: &page)
        return page.array()
    }

    /// The tables for records and pages.
    var nameTables: NameTables { names }
}
