import SluiceBytes
import SluiceTime
import Testing

@testable import SluiceTraffic

@Suite struct ReplicaHealthTests {
    @Test func `a replica of a new pool serves at once and is ready with its first good sign`() {
        var patient = Patient()
        #expect(patient.health.state == .warming)
        #expect(patient.health.state.acceptsNewWork)
        #expect(patient.health.window == .max)
        patient.take(.requestSucceeded)
        #expect(patient.health.state == .ready)
    }

    @Test func `one that joins doubles its window each second of good samples`() {
        var patient = Patient(joins: true)
        #expect(patient.health.window == 2)
        patient.take(.requestSucceeded)
        patient.tick(after: .milliseconds(999))
        #expect(patient.health.window == 2)
        patient.tick(after: .milliseconds(1))
        #expect(patient.health.window == 4)
        patient.tick(after: .seconds(1))
        #expect(patient.health.window == 4, "a second without a good sample does not count")
        for _ in 0..<8 {
            patient.take(.probe(.healthy))
            patient.tick(after: .seconds(1))
        }
        #expect(patient.health.state == .ready)
        #expect(patient.health.why == .slowStartDone)
    }

    @Test func `a success of one that is ready is taken in at once, and as any other`() {
        var random = SplitMix64(seed: 7)
        for joins in [false, true] {
            var (short, long) = (Patient(joins: joins), Patient(joins: joins))
            var atOnce = 0
            for step in 0..<1_000 {
                let signal: HealthSignal
                switch random.next() % 32 {
                case 0..<24: signal = .requestSucceeded
                case 24..<28: signal = .requestFailed
                case 28, 29: signal = .probe(.healthy)
                case 30: signal = step % 5 == 0 ? .cordon : .uncordon
                default: signal = step % 8 == 0 ? .connectRefused : .requestSucceeded
                }
                long.take(signal)
                if case .requestSucceeded = signal, short.health.succeedUnchanged() {
                    atOnce += 1
                } else {
                    short.take(signal)
                }
                short.tick(after: .milliseconds(200))
                long.tick(after: .milliseconds(200))
                #expect(short.health.state == long.health.state)
                #expect(short.health.why == long.health.why)
                #expect(short.health.window == long.health.window)
                #expect(short.health.transitions == long.health.transitions)
            }
            #expect(atOnce > 50, "else it was hardly ever ready")
        }
    }

    @Test func `a failure stops the slow start's growth for that second`() {
        var patient = Patient(joins: true)
        patient.take(.requestSucceeded, .requestFailed)
        patient.tick(after: .seconds(1))
        #expect(patient.health.window == 2)
    }

    @Test func `a refused connection or health 503 is death`() {
        for signal in [HealthSignal.connectRefused, .probe(.refused), .probe(.unavailable)] {
            var patient = Patient.ready()
            patient.take(signal)
            #expect(patient.health.state == .dead)
        }
    }

    @Test func `a slow health page is never death`() {
        var patient = Patient.ready()
        for _ in 0..<100 { patient.take(.probe(.timedOut)) }
        #expect(patient.health.state == .ready)
    }

    @Test func `a dead replica is probed after 1, 2, 4 up to 30 s, every 0.5 s while none is up`() {
        var patient = Patient.ready()
        patient.take(.connectRefused)
        var waits: [Int64] = []
        for _ in 0..<8 {
            let wait = patient.nextProbe()
            patient.now = patient.now + wait
            patient.take(.probe(.refused))
            waits.append(wait.count / 1_000_000_000)
        }
        #expect(waits == [1, 2, 4, 8, 16, 30, 30, 30])
        #expect(patient.nextProbe(poolIsDown: true) == .milliseconds(500))
    }

    @Test func `a live replica is probed at the scrape interval, a new one at once`() {
        var patient = Patient()
        #expect(patient.nextProbe() == .zero)
        patient.take(.probe(.healthy))
        #expect(patient.nextProbe() == .seconds(1))
    }

    @Test func `a replica that returns starts slowly, alone it does not`() {
        var patient = Patient.ready()
        patient.take(.connectRefused)
        patient.now = patient.now + .seconds(1)
        patient.take(.probe(.healthy))
        #expect(patient.health.state == .warming)
        #expect(patient.health.window == 2)
        var alone = Patient.ready()
        alone.othersUp = false
        alone.take(.connectRefused)
        alone.take(.probe(.healthy))
        #expect(alone.health.state == .ready)
    }

    @Test func `three failures in a row eject, a success between them does not`() {
        var patient = Patient.ready()
        patient.take(.requestFailed, .requestFailed, .requestSucceeded, .requestFailed)
        patient.take(.connectFailed)
        #expect(patient.health.state == .ready)
        patient.take(.requestFailed)
        #expect(patient.health.state == .ejected)
        #expect(patient.health.why == .consecutiveFailures)
    }

    @Test func `eleven failures among the last twenty eject, never three in a row though they be`()
    {
        var patient = Patient.ready()
        // Two of three fail: the eleventh failure is the 16th request.
        for request in 0..<15 {
            patient.take(request % 3 == 1 ? .requestSucceeded : .requestFailed)
            #expect(patient.health.state == .ready, "after \(request + 1)")
        }
        patient.take(.connectFailed)
        #expect(patient.health.state == .ejected)
        #expect(patient.health.why == .failureShare)
    }

    @Test func `half of the last twenty is not yet more than half, however long it lasts`() {
        var patient = Patient.ready()
        for _ in 0..<100 { patient.take(.requestFailed, .requestSucceeded) }
        #expect(patient.health.state == .ready)
    }

    @Test func `failures before the last twenty requests are forgotten`() {
        var patient = Patient.ready()
        for _ in 0..<5 { patient.take(.requestFailed, .requestFailed, .requestSucceeded) }
        for _ in 0..<15 { patient.take(.requestSucceeded) }
        for _ in 0..<3 { patient.take(.requestFailed, .requestFailed, .requestSucceeded) }
        #expect(patient.health.state == .ready)
    }

    @Test func `one that came back starts with a clean count`() {
        var patient = Patient.ready()
        for _ in 0..<5 { patient.take(.requestFailed, .requestSucceeded, .requestFailed) }
        #expect(patient.health.state == .ready, "ten of fifteen")
        patient.take(.requestFailed)
        #expect(patient.health.state == .ejected)
        patient.now = patient.now + .seconds(1)
        // Alone it is not held back by a slow start, so that one success makes it ready.
        patient.othersUp = false
        patient.take(.probe(.healthy), .requestSucceeded)
        #expect(patient.health.state == .ready)
        patient.take(.requestFailed)
        #expect(patient.health.state == .ready, "the twelfth failure of eighteen requests")
    }

    @Test func `failed probes are no failed requests`() {
        var patient = Patient.ready()
        for _ in 0..<30 { patient.take(.probe(.unreachable), .requestSucceeded) }
        for _ in 0..<10 {
            patient.take(.probe(.unreachable), .probe(.unreachable), .requestSucceeded)
        }
        #expect(patient.health.state == .ready)
    }

    @Test func `a black hole that answers its health page loses two requests per growing backoff`()
    {
        var patient = Patient.ready()
        patient.take(.requestFailed, .requestFailed, .requestFailed)
        var waits: [Int64] = []
        for _ in 0..<7 {
            patient.take(.probe(.healthy))
            #expect(patient.health.state == .ejected, "not before its time")
            let wait = patient.nextProbe()
            patient.now = patient.now + wait
            patient.take(.probe(.healthy))
            #expect(patient.health.state == .warming)
            #expect(patient.health.window == 2)
            patient.take(.requestFailed)
            #expect(patient.health.state == .ejected)
            #expect(patient.health.why == .trialFailed)
            waits.append(wait.count / 1_000_000_000)
        }
        #expect(waits == [1, 2, 4, 8, 16, 30, 30])
    }

    @Test func `late successes of an ejected replica's old streams do not bring it back`() {
        var patient = Patient.ready()
        patient.take(.requestFailed, .requestFailed, .requestFailed)
        patient.take(.requestSucceeded, .requestSucceeded)
        #expect(patient.health.state == .ejected)
        patient.now = patient.now + .seconds(1)
        patient.take(.requestSucceeded)
        #expect(patient.health.state == .warming, "after the backoff an answer is a good sign")
    }

    @Test
    func `a dead replica's good probe before its time does not bring it back while others serve`() {
        var patient = Patient.ready()
        patient.take(.connectRefused)
        patient.now = patient.now + .seconds(1) - Nanoseconds(1)
        patient.take(.probe(.healthy))
        #expect(patient.health.state == .dead)
        patient.now = patient.now + Nanoseconds(1)
        patient.take(.probe(.healthy))
        #expect(patient.health.state == .warming)
    }

    @Test func `401 is told apart and left with a good probe`() {
        var patient = Patient.ready()
        patient.take(.probe(.unauthorized))
        #expect(patient.health.state == .unauthorized)
        patient.take(.probe(.answeredOtherwise))
        #expect(patient.health.state == .unauthorized)
        patient.take(.probe(.healthy))
        #expect(patient.health.state == .warming)
    }

    @Test func `a sleeping engine gets nothing until it wakes`() {
        var patient = Patient.ready()
        patient.take(.sleeping(true))
        #expect(patient.health.state == .sleeping)
        patient.take(.probe(.healthy))
        #expect(patient.health.state == .sleeping)
        patient.take(.sleeping(false))
        #expect(patient.health.state == .warming)
    }

    @Test func `a cordon outlasts what is observed, and removal outlasts a cordon`() {
        var patient = Patient.ready()
        patient.take(.cordon, .connectRefused)
        #expect(patient.health.state == .cordoned)
        #expect(patient.health.why == .cordoned)
        patient.take(.uncordon)
        #expect(patient.health.why == .connectRefused)
        #expect(patient.health.state == .dead)
        patient.take(.remove, .uncordon)
        #expect(patient.health.state == .draining)
        patient.take(.restore)
        #expect(patient.health.state == .dead)
    }

    @Test func `flapping every five seconds changes state less and less often`() {
        var patient = Patient.ready()
        var changes = 0
        for second in 0..<600 {
            let isUp = second / 5 % 2 == 0
            let before = patient.health.transitions
            if patient.nextProbe() <= .zero {
                patient.take(.probe(isUp ? .healthy : .refused))
            }
            if !isUp, patient.health.state.acceptsNewWork { patient.take(.connectRefused) }
            patient.tick(after: .seconds(1))
            changes += patient.health.transitions - before
        }
        // 120 edges in ten minutes; an honest follower would change 120 times.
        #expect(changes <= 40)
        #expect(changes >= 2)
    }

    @Test func `strikes are forgotten after a stable time`() {
        var patient = Patient.ready()
        for _ in 0..<4 {
            patient.take(.connectRefused)
            patient.now = patient.now + .seconds(60)
            patient.take(.probe(.healthy))
        }
        patient.take(.connectRefused)
        #expect(patient.nextProbe() >= .seconds(1))
        patient.now = patient.now + .seconds(60)
        patient.othersUp = false
        patient.take(.probe(.healthy))
        #expect(patient.health.state == .ready)
        patient.tick(after: .seconds(31))
        patient.othersUp = true
        patient.take(.probe(.healthy), .connectRefused)
        #expect(patient.nextProbe() == .seconds(1))
    }
}
