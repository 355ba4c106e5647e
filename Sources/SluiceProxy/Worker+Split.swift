import SluiceReactor
import SluiceTraffic
import SluiceVLLM

/// Which pool serves a request whose model several have.
extension Worker {
    /// The pool that has what the request continues; else that of its session, so that one stays with
    /// one version of the model; else by chance.
    @inline(never) func choosePool(_ e: UInt32, _ number: UInt16) -> Int {
        let split = directory.value.split(number)
        if exchanges[e].record.route == .responses {
            for pool in split.pools where previousOwner(e, pool: pool) != nil { return pool }
        }
        let key = exchanges[e].affinityKey(&readers[e].peek, header: split.sessionHeader)
        return split.pool(of: key ?? random.value.next()) { index in
            pools.with(index) { $0.hasReplica }
        }
    }
}
