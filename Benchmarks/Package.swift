// swift-tools-version: 6.3
import PackageDescription

let package = Package(
  name: "DescentBenchmarks",
  dependencies: [
    .package(name: "Descent", path: ".."),
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
  ],
  targets: [
    .target(name: "CeilingPasses"),
    .executableTarget(
      name: "ceiling",
      dependencies: [
        "CeilingPasses",
        .product(name: "Descent", package: "Descent"),
        .product(name: "OpenCLHost", package: "Descent"),
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),
  ],
  swiftLanguageModes: [.v6],
  cLanguageStandard: .gnu2x
)
