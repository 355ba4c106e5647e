import SluiceHTTP
import SluiceTime
import SluiceVLLM

/// What the last head that was let in was judged to be: the same head again need not be judged again.
///
/// Belongs to one worker's ``RequestHead`` value, whose editions it knows.
struct AcceptedHead {
    private var edition = -1
    private var trusts = false
    private var callers: UInt32 = 0
    private var match: RouteMatch?
    /// What it says of its request.
    private(set) var facts = HeadFacts()

    // `inout`, changing nothing in it, because a borrow of a head would be passed as a copy.

    /// What the path of `head` is, if it is this head, from a client that is trusted as much, and read
    /// by the same rules.
    mutating func match(
        _ head: inout RequestHead, trusts: Bool, _ callers: Callers
    ) -> RouteMatch? {
        let isSame =
            edition == head.edition && self.trusts == trusts && self.callers == callers.generation
        return isSame ? match : nil
    }

    mutating func forget() { edition = -1 }

    mutating func keep(
        _ match: RouteMatch, _ facts: HeadFacts, of head: inout RequestHead, trusts: Bool,
        _ callers: Callers
    ) {
        edition = head.edition
        self.trusts = trusts
        self.callers = callers.generation
        self.match = match
        self.facts = facts
    }
}

/// What a head says of its request, beside what is sent on.
struct HeadFacts {
    /// The caller's own limit on the wait for content; zero: none was given.
    var callerLimit = Nanoseconds.zero
    /// The client asked what becomes of its request.
    var isExplained = false
    /// Tenants have quotas: it counts against them.
    var isMetered = false
    var priorityClass: UInt8 = 0
    var tenant: UInt16 = 0
    /// The tenant as records name it; negative where none are told apart.
    var tenantLabel: Int16 = -1
}

extension Exchange {
    mutating func take(_ facts: HeadFacts) {
        callerLimit = facts.callerLimit
        isExplained = facts.isExplained
        isMetered = facts.isMetered
        arrival.classIndex = Int(facts.priorityClass)
        arrival.tenantIndex = Int(facts.tenant)
        record.classIndex = facts.priorityClass
        record.tenantIndex = facts.tenantLabel
    }
}
