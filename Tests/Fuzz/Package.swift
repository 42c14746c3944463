// swift-tools-version: 6.3
import PackageDescription

// A package of its own: only `swift build --sanitize=fuzzer` links the targets, which have no
// `main`.
let descent: Target.Dependency = .product(name: "Descent", package: "Descent")
let safetensors: Target.Dependency = .product(name: "Safetensors", package: "Descent")

let package = Package(
  name: "Fuzz",
  dependencies: [
    .package(name: "Descent", path: "../..", traits: []),
    .package(url: "https://github.com/swiftcsv/SwiftCSV", from: "0.10.0"),
  ],
  targets: [
    .target(name: "FuzzLimits"),
    .executableTarget(name: "Header", dependencies: ["FuzzLimits", safetensors]),
    .executableTarget(name: "Metadata", dependencies: ["FuzzLimits", descent, safetensors]),
    .executableTarget(name: "Index", dependencies: ["FuzzLimits", safetensors]),
    .executableTarget(name: "Optimizer", dependencies: ["FuzzLimits", descent]),
    // The reader of CSV files is that of Training: its folder here has links to the files.
    .executableTarget(
      name: "CSV",
      dependencies: [
        "FuzzLimits", descent, safetensors, .product(name: "SwiftCSV", package: "SwiftCSV"),
      ]),
  ],
  swiftLanguageModes: [.v6],
  cLanguageStandard: .gnu2x
)
