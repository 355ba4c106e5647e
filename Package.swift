// swift-tools-version: 6.2
import PackageDescription

/// Settings of every Swift target: Swift 6 mode, explicit `unsafe`, and no warning survives a build.
///
/// A release does not check at run time that accesses do not overlap, a thousand instructions a
/// request (measured); the tests do, in debug and under both sanitizers.
let strict: [SwiftSetting] = [
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .enableExperimentalFeature("Lifetimes"),
    .enableUpcomingFeature("ExistentialAny"),
    .unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release)),
]

/// No warning of C survives a build either.
let strictC: [CSetting] = [
    .enableWarning("all"), .enableWarning("extra"), .treatAllWarnings(as: .error),
]

/// A library target of this package.
func module(_ name: String, _ dependencies: [Target.Dependency] = [], resources: [Resource]? = nil)
    -> Target
{
    .target(
        name: name, dependencies: dependencies, resources: resources, swiftSettings: strict)
}

/// The test target that mirrors a module.
func tests(_ name: String, _ dependencies: [Target.Dependency], resources: [Resource]? = nil)
    -> Target
{
    .testTarget(
        name: name, dependencies: dependencies, resources: resources, swiftSettings: strict)
}

let argumentParser = Target.Dependency.product(
    name: "ArgumentParser", package: "swift-argument-parser")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")

let package = Package(
    name: "sluice",
    products: [
        .executable(name: "sluice", targets: ["SluiceMain"]),
        .executable(name: "vllm-sim", targets: ["VLLMSim"]),
        // What a replica's metrics say, typed, for other programs.
        .library(name: "SluiceVLLM", targets: ["SluiceVLLM"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    ],
    targets: [
        // Leaves: no sockets, no clocks, no knowledge of each other.
        module("SluiceTime"),
        .target(name: "CSluiceScan", cSettings: strictC),
        module("SluiceBytes", ["CSluiceScan"]),
        module("SluiceHTTP", ["SluiceBytes", "SluiceTime"]),
        module("SluiceTelemetry", ["SluiceBytes", "SluiceTime"]),
        module("SluiceVLLM", ["SluiceBytes", "SluiceTelemetry"]),
        module("SluiceTraffic", ["SluiceBytes", "SluiceTime"]),

        // What becomes of exchanges as traces.
        module("SluiceTracing", ["SluiceBytes", "SluiceTelemetry", "SluiceTime"]),

        // What exchanges are to the objectives, and what that tells people.
        module("SluiceInsight", ["SluiceTelemetry", "SluiceTime"]),

        // The pure middle: one request's life, and what an operator may set.
        module(
            "SluiceExchange",
            [
                "SluiceBytes", "SluiceHTTP", "SluiceInsight", "SluiceTelemetry", "SluiceTime",
                "SluiceTraffic", "SluiceVLLM",
            ]),
        module(
            "SluiceConfig",
            [
                "SluiceBytes", "SluiceExchange", "SluiceHTTP", "SluiceInsight", "SluiceTime",
                "SluiceTraffic", yams,
            ]),

        // The shell: epoll, sockets, TLS, and what is built on them.
        .target(name: "CSluiceLinux", cSettings: strictC),
        .systemLibrary(
            name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
        module("SluiceReactor", ["CSluiceLinux", "COpenSSL", "SluiceBytes", "SluiceTime"]),
        module("SluiceEndpoint", ["SluiceBytes", "SluiceHTTP", "SluiceReactor", "SluiceTime"]),
        module(
            "SluiceProxy",
            [
                "SluiceBytes", "SluiceEndpoint", "SluiceExchange", "SluiceHTTP", "SluiceInsight",
                "SluiceReactor", "SluiceTelemetry", "SluiceTime", "SluiceTracing", "SluiceTraffic",
                "SluiceVLLM", logging,
            ],
            resources: [.embedInCode("Control/Dashboard/Assets")]),
        // Optimised in the tests' builds too, with all its checks: they simulate hours.
        .target(
            name: "SluiceSimulation",
            dependencies: ["SluiceBytes", "SluiceTelemetry", "SluiceTime", "SluiceTraffic"],
            swiftSettings: strict + [
                .unsafeFlags(["-O", "-assert-config", "Debug"], .when(configuration: .debug))
            ]),
        module(
            "VLLMSimulator",
            [
                "SluiceBytes", "SluiceEndpoint", "SluiceHTTP", "SluiceReactor", "SluiceSimulation",
                "SluiceTime",
            ]),
        module(
            "SluiceBench",
            [
                "SluiceBytes", "SluiceEndpoint", "SluiceHTTP", "SluiceReactor", "SluiceTelemetry",
                "SluiceTime", "SluiceVLLM",
            ]),
        .executableTarget(
            name: "SluiceMain",
            dependencies: [
                "SluiceBench", "SluiceBytes", "SluiceConfig", "SluiceEndpoint", "SluiceExchange",
                "SluiceHTTP", "SluiceInsight", "SluiceProxy", "SluiceReactor", "SluiceSimulation",
                "SluiceTelemetry", "SluiceTime", "SluiceTraffic", "SluiceVLLM", "VLLMSimulator",
                argumentParser, logging,
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "VLLMSim",
            dependencies: [
                "SluiceEndpoint", "SluiceReactor", "SluiceTime", "VLLMSimulator", argumentParser,
            ],
            swiftSettings: strict),

        tests("SluiceTimeTests", ["SluiceTime"]),
        .target(
            name: "FixtureTestSupport", path: "Tests/FixtureTestSupport", swiftSettings: strict),
        tests(
            "SluiceTelemetryTests",
            ["FixtureTestSupport", "SluiceBytes", "SluiceTelemetry", "SluiceTime"],
            resources: [.copy("Fixtures")]),
        tests("SluiceBytesTests", ["SluiceBytes"]),
        .target(
            name: "HTTPTestSupport", dependencies: ["SluiceBytes", "SluiceHTTP"],
            path: "Tests/HTTPTestSupport", swiftSettings: strict),
        tests(
            "SluiceHTTPTests",
            ["FixtureTestSupport", "HTTPTestSupport", "SluiceBytes", "SluiceHTTP"],
            resources: [.copy("Fixtures")]),
        .target(
            name: "FuzzTestSupport",
            dependencies: [
                "HTTPTestSupport", "SluiceBytes", "SluiceConfig", "SluiceHTTP", "SluiceTelemetry",
                "SluiceTracing", "SluiceVLLM",
            ],
            path: "Tests/FuzzTestSupport", swiftSettings: strict),
        .testTarget(
            name: "FuzzTests", dependencies: ["FuzzTestSupport"],
            exclude: ["Corpus", "words.dict"], swiftSettings: strict),
        tests(
            "SluiceVLLMTests",
            ["FixtureTestSupport", "SluiceBytes", "SluiceTelemetry", "SluiceVLLM"],
            resources: [.copy("Fixtures")]),
        tests(
            "VLLMSimulatorTests",
            [
                "EndpointTestSupport", "FixtureTestSupport", "SluiceBytes", "SluiceEndpoint",
                "SluiceReactor", "SluiceSimulation", "SluiceTime", "VLLMSimulator",
            ],
            resources: [.copy("Fixtures")]),
        tests(
            "SluiceSimulationTests",
            [
                "SluiceBytes", "SluiceInsight", "SluiceProxy", "SluiceSimulation",
                "SluiceTelemetry", "SluiceTime", "SluiceTraffic",
            ]),
        .target(
            name: "EndpointTestSupport",
            dependencies: ["SluiceBytes", "SluiceEndpoint", "SluiceReactor", "SluiceTime"],
            path: "Tests/EndpointTestSupport", swiftSettings: strict),
        tests(
            "SluiceEndpointTests",
            [
                "EndpointTestSupport", "SluiceBytes", "SluiceEndpoint", "SluiceHTTP",
                "SluiceReactor", "SluiceTime",
            ]),
        .target(
            name: "TLSTestSupport", dependencies: ["SluiceReactor"], path: "Tests/TLSTestSupport",
            swiftSettings: strict),
        tests(
            "SluiceReactorTests", ["SluiceBytes", "SluiceReactor", "SluiceTime", "TLSTestSupport"]),
        tests(
            "SluiceExchangeTests",
            [
                "SluiceBytes", "SluiceExchange", "SluiceHTTP", "SluiceTelemetry", "SluiceTime",
                "SluiceTraffic",
            ]),
        tests("SluiceInsightTests", ["SluiceInsight", "SluiceTelemetry", "SluiceTime"]),
        tests(
            "SluiceConfigTests",
            ["SluiceConfig", "SluiceExchange", "SluiceHTTP", "SluiceInsight", "SluiceTime"]),
        tests(
            "SluiceBenchTests",
            [
                "SluiceBench", "SluiceBytes", "SluiceEndpoint", "SluiceReactor", "SluiceTime",
                "VLLMSimulator",
            ]),
        tests(
            "SluiceProxyTests",
            [
                "SluiceBytes", "SluiceExchange", "SluiceHTTP", "SluiceInsight", "SluiceProxy",
                "SluiceReactor", "SluiceTelemetry", "SluiceTime", "SluiceTracing",
                "TLSTestSupport", logging,
            ],
            resources: [.copy("Fixtures")]),
        tests(
            "SluiceTracingTests",
            ["SluiceBytes", "SluiceTelemetry", "SluiceTime", "SluiceTracing"]),
        tests("SluiceTrafficTests", ["SluiceBytes", "SluiceTime", "SluiceTraffic"]),
    ],
    swiftLanguageModes: [.v6]
)

// libFuzzer brings its own `main`: built only by `scripts/fuzz.sh`, which says with what flags.
if Context.environment["SLUICE_FUZZ"] != nil {
    package.targets.append(
        .executableTarget(
            name: "SluiceFuzz", dependencies: ["FuzzTestSupport"], path: "Tests/SluiceFuzz",
            swiftSettings: strict))
}
