// swift-tools-version: 6.3
import PackageDescription

let descent: Target.Dependency = .product(name: "Descent", package: "Descent")

// A program's functions are its main thread's, as its global variables are.
let main: [SwiftSetting] = [.defaultIsolation(MainActor.self)]

let package = Package(
  name: "Examples",
  dependencies: [.package(name: "Descent", path: "..")],
  targets: [
    .target(name: "Digits"),
    .executableTarget(
      name: "flat-pointers", dependencies: ["Digits", descent], swiftSettings: main),
    .executableTarget(name: "automatic-differentiation", dependencies: ["Digits", descent]),
    .executableTarget(
      name: "resident",
      dependencies: ["Digits", descent, .product(name: "OpenCLHost", package: "Descent")]),
    .executableTarget(
      name: "stop-and-resume", dependencies: ["Digits", descent], swiftSettings: main),
    .target(name: "Adapters", dependencies: [descent]),
    .executableTarget(name: "adapter-check", dependencies: ["Adapters", "Digits", descent]),
  ],
  swiftLanguageModes: [.v6]
)
