// swift-tools-version: 6.3
import PackageDescription

let openCL: TargetDependencyCondition? = .when(traits: ["OpenCL"])

let package = Package(
  name: "Descent",
  products: [
    .library(name: "Descent", targets: ["Descent"]),
    .library(name: "OpenCLHost", targets: ["OpenCLHost"]),
    .library(name: "Safetensors", targets: ["Safetensors"]),
    // The same library twice: to link into a program in C, and to load.
    .library(name: "DescentCStatic", type: .static, targets: ["DescentC"]),
    .library(name: "DescentC", type: .dynamic, targets: ["DescentC"]),
    .executable(name: "descent", targets: ["descent-tool"]),
  ],
  traits: [
    .default(enabledTraits: ["OpenCL"]),
    .trait(
      name: "OpenCL", description: "Updates on OpenCL devices; needs OpenCL's headers and loader."),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/swiftcsv/SwiftCSV", from: "0.10.0"),
    .package(url: "https://github.com/onevcat/Rainbow", from: "4.2.2"),
    .package(url: "https://github.com/swiftlang/swift-docc-plugin", from: "1.5.0"),
  ],
  targets: [
    .systemLibrary(
      name: "CDescentOpenCL", path: "Sources/COpenCL", pkgConfig: "OpenCL",
      providers: [.apt(["ocl-icd-opencl-dev", "opencl-headers"])]),
    .target(
      name: "OpenCLHost", dependencies: [.target(name: "CDescentOpenCL", condition: openCL)],
      exclude: ["README.md"]),
    .target(name: "Safetensors", exclude: ["README.md"]),
    .target(name: "DescentKernels", path: "Kernels", exclude: ["README.md"]),
    .target(
      name: "Descent",
      dependencies: [
        "DescentKernels", "Safetensors", .target(name: "OpenCLHost", condition: openCL),
        .product(name: "Logging", package: "swift-log"),
      ]),
    .target(name: "CDescent"),
    .target(name: "DescentC", dependencies: ["CDescent", "Descent"]),
    .target(name: "DescentCeiling", path: "Sources/CeilingPasses"),
    .target(
      name: "Verification",
      dependencies: ["Descent", .target(name: "OpenCLHost", condition: openCL)]),
    .target(
      name: "Training",
      dependencies: [
        "Descent", "Safetensors", .product(name: "SwiftCSV", package: "SwiftCSV"),
      ]),
    .target(name: "Figures", dependencies: ["Descent", "Training"]),
    .executableTarget(
      name: "descent-tool",
      dependencies: [
        "Descent", "DescentCeiling", "Figures", "Safetensors", "Training", "Verification",
        .target(name: "OpenCLHost", condition: openCL),
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Rainbow", package: "Rainbow"),
      ]),
    .target(
      name: "DescentTestSupport",
      dependencies: [
        "Descent", "Safetensors", "Verification", .target(name: "OpenCLHost", condition: openCL),
        .target(name: "CDescentOpenCL", condition: openCL),
      ], path: "Tests/DescentTestSupport"),
    .testTarget(
      name: "SafetensorsTests",
      dependencies: ["DescentTestSupport", "Safetensors", "Verification"],
      resources: [.copy("Goldens")]),
    .testTarget(
      name: "OpenCLHostTests",
      dependencies: [
        .target(name: "OpenCLHost", condition: openCL),
        .target(name: "CDescentOpenCL", condition: openCL),
      ]),
    .target(
      name: "MadeUpRules", dependencies: ["DescentKernels"], path: "Tests/MadeUpRules"),
    .testTarget(
      name: "DescentTests",
      dependencies: [
        "Descent", "DescentKernels", "DescentTestSupport", "MadeUpRules", "Safetensors",
        "Verification",
        .target(name: "OpenCLHost", condition: openCL),
        .target(name: "CDescentOpenCL", condition: openCL),
        .product(name: "Logging", package: "swift-log"),
      ],
      exclude: ["Goldens"]),
    .target(name: "CCaller", dependencies: ["CDescent"], path: "Tests/CCaller"),
    .testTarget(
      name: "DescentCTests", dependencies: ["CCaller", "CDescent", "Descent", "DescentC"]),
    .testTarget(
      name: "FiguresTests",
      dependencies: ["Descent", "DescentTestSupport", "Figures", "Training"],
      resources: [.copy("Goldens")]),
    .testTarget(
      name: "ToolTests",
      dependencies: [
        "descent-tool", "Descent", "DescentCeiling", "DescentTestSupport", "Figures", "Safetensors",
        "Training", "Verification", .target(name: "OpenCLHost", condition: openCL),
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ], resources: [.copy("Goldens")]),
  ],
  swiftLanguageModes: [.v6],
  cLanguageStandard: .gnu2x
)
