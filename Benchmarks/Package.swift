// swift-tools-version: 6.3
import PackageDescription

let package = Package(
  name: "DescentBenchmarks",
  dependencies: [
    .package(name: "Descent", path: ".."),
    .package(url: "https://github.com/ordo-one/benchmark", exact: "1.38.1", traits: []),
  ],
  targets: [
    .executableTarget(
      name: "Regressions",
      dependencies: [
        .product(name: "Benchmark", package: "benchmark"),
        .product(name: "Descent", package: "Descent"),
        .product(name: "OpenCLHost", package: "Descent"),
      ],
      path: "Benchmarks/Regressions",
      plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")]),
    .executableTarget(
      name: "Costs",
      dependencies: [
        .product(name: "Descent", package: "Descent"),
        .product(name: "OpenCLHost", package: "Descent"),
      ],
      path: "Benchmarks/Costs"),
  ],
  swiftLanguageModes: [.v6]
)
