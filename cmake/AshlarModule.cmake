# ashlar_module(NAME [DEPS module...] [LIBS lib...] [PRIVATE_LIBS lib...] [COLD] [NUMERIC]
#               [BY_FOLDER])
#
# Makes the library ashlar_NAME from every source below ashlar/NAME, and reads the role of a file
# from its suffix, so that a new folder or file edits no build file:
#
#   x_test.cc    into the test binary ashlar_NAME_test, which links NAME and its DEPS only
#   x_exception_test.cc   into one of their own, ashlar_NAME_exception_test: what throws is tested
#                there, and nowhere else
#   x_cases.cc   into the library ashlar_NAME_cases, which the command line measures
#   x_bench.cc   into the benchmark binary ashlar_NAME_bench   (ASHLAR_BENCHMARKS)
#   x_fuzz.cc    a libFuzzer binary of its own, NAME_x_fuzz    (ASHLAR_FUZZ)
#   x_avx2.cc, x_avxvnni.cc, x_avx512.cc, x_amx.cc   compiled for that instruction set; run only
#                after a check at run time
#
# COLD: it reads manifests and files, not weights, and is compiled with -O1 in a release, which
# takes half the time. Files are joined, a few to a compilation, which halves the time again
# (CMAKE_UNITY_BUILD, which the presets turn on). NUMERIC: it computes on weights, and is compiled
# with -O1 under sanitizers too, where its loops would take minutes. BY_FOLDER: only those of one
# folder are, since its folders repeat each other's names (each kind has a forward.cc with its Bind).
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto SSL)
find_package(Boost 1.81 REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc)
pkg_check_modules(TOMLPLUSPLUS REQUIRED IMPORTED_TARGET tomlplusplus)

# What every target of the project is compiled with. Contraction is off everywhere: a sum that is
# fused in one tile and not in another would make a result depend on the batch it came in.
add_library(ashlar_options INTERFACE)
target_include_directories(ashlar_options INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(ashlar_options INTERFACE
  -Wall -Wextra -Werror -Wno-missing-field-initializers -ffp-contract=off
  # A CHECK tells of its file from the root of the sources, wherever those are.
  -fmacro-prefix-map=${CMAKE_SOURCE_DIR}/=)
target_link_libraries(ashlar_options INTERFACE Threads::Threads)
if(CMAKE_UNITY_BUILD AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # Joined, a source looks like a header to GCC, which warns of anonymous namespaces in those.
  target_compile_options(ashlar_options INTERFACE -Wno-subobject-linkage)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # Memory for time: GCC collects its garbage at 512 MiB, not at 128: a tenth less to compile.
  target_compile_options(ashlar_options INTERFACE "SHELL:--param ggc-min-heapsize=524288")
endif()
find_program(ASHLAR_LLD ld.lld)
if(ASHLAR_LLD)
  target_link_options(ashlar_options INTERFACE -fuse-ld=lld)  # a fifth of the time
endif()
if(ASHLAR_SANITIZE)
  target_compile_options(ashlar_options INTERFACE
    -fsanitize=${ASHLAR_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(ashlar_options INTERFACE -fsanitize=${ASHLAR_SANITIZE})
endif()
# What the modules' own code is compiled with besides. It doubles the time of compiling, so tests
# do without, and the kernels, which decide nothing by bytes from outside.
set(ASHLAR_MODULE_FLAGS)
if(ASHLAR_SANITIZE_MODULES)
  list(APPEND ASHLAR_MODULE_FLAGS -fsanitize=${ASHLAR_SANITIZE_MODULES})
  if(ASHLAR_SANITIZE_MODULES MATCHES "undefined")
    # These are half of what UndefinedBehaviorSanitizer takes to compile. AddressSanitizer stops at
    # null and wild addresses too; a wrong type behind a pointer is no longer looked for.
    list(APPEND ASHLAR_MODULE_FLAGS -fno-sanitize=null,object-size,vptr,function)
  endif()
  target_link_options(ashlar_options INTERFACE -fsanitize=${ASHLAR_SANITIZE_MODULES})
endif()
if(ASHLAR_FUZZ)
  # What -fsanitize=fuzzer-no-link means, spelled so that it can share the precompiled headers.
  list(APPEND ASHLAR_MODULE_FLAGS
       -fsanitize-coverage=inline-8bit-counters,indirect-calls,trace-cmp,pc-table)
  add_custom_target(fuzzers)
endif()

set(ASHLAR_AVX2_FLAGS -mavx2 -mfma -mf16c)
set(ASHLAR_AVXVNNI_FLAGS ${ASHLAR_AVX2_FLAGS} -mavxvnni)
# GCC 12's AVX-512 headers read a deliberately uninitialised register.
set(ASHLAR_AVX512_FLAGS ${ASHLAR_AVX2_FLAGS} -mavx512f -mavx512bw -mavx512dq -mavx512vl
    -mavx512vnni -Wno-uninitialized)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  list(APPEND ASHLAR_AVX512_FLAGS -Wno-maybe-uninitialized)
endif()
set(ASHLAR_AMX_FLAGS ${ASHLAR_AVX512_FLAGS} -mamx-tile -mamx-int8 -mamx-bf16)

# The headers that nearly every file includes, compiled once: a third of the time of a build. Files
# of an instruction set go without: they include no container (see kernels/README.md).
set(ASHLAR_PRECOMPILED <algorithm> <array> <filesystem> <functional> <map> <memory> <optional> <set>
    <span> <string> <string_view> <variant> <vector> <fmt/format.h>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # (Clang knows a header by its place and time, which a compiler's cache does not keep.)
  list(APPEND ASHLAR_PRECOMPILED <ashlar/base/file.h> <ashlar/base/json.h>)
endif()
function(ashlar_precompiled target)
  file(WRITE ${CMAKE_BINARY_DIR}/${target}.cc "// The anchor of precompiled headers.\n")
  add_library(${target} STATIC ${CMAKE_BINARY_DIR}/${target}.cc)
  target_link_libraries(${target} PUBLIC ashlar_options fmt::fmt)
  target_precompile_headers(${target} PRIVATE ${ASHLAR_PRECOMPILED} ${ARGN})
endfunction()
ashlar_precompiled(ashlar_pch)
set(ASHLAR_NUMERIC_PCH ashlar_pch)
if(ASHLAR_SANITIZE)
  ashlar_precompiled(ashlar_numeric_pch)
  target_compile_options(ashlar_numeric_pch PUBLIC -O1)
  set(ASHLAR_NUMERIC_PCH ashlar_numeric_pch)
endif()

if(ASHLAR_TESTS)
  find_package(GTest REQUIRED)
  include(GoogleTest)
  # Tests themselves are not optimised, whatever the build: that takes three times as long to
  # compile, and what they test is. To let exceptions through them and to tell a debugger of their
  # lines takes a third of the time: none throws but those that say so in their names. These have a
  # binary to themselves, since an inline function that was compiled without exceptions leaves what
  # it holds behind when one passes, and the linker takes whichever copy it meets first.
  set(ASHLAR_TEST_FLAGS -O0 -fno-exceptions $<$<CONFIG:Release>:-g0>)
  ashlar_precompiled(ashlar_gtest_pch <gtest/gtest.h>)
  target_link_libraries(ashlar_gtest_pch PUBLIC GTest::gmock)
  target_compile_options(ashlar_gtest_pch PUBLIC ${ASHLAR_TEST_FLAGS})
endif()

# What every test binary has; further ARGUMENTS are properties of its tests.
function(ashlar_test target)
  target_link_libraries(${target} PRIVATE GTest::gmock GTest::gtest_main)
  target_compile_options(${target} PRIVATE ${ASHLAR_TEST_FLAGS})
  target_precompile_headers(${target} REUSE_FROM ashlar_gtest_pch)
  set_target_properties(${target} PROPERTIES UNITY_BUILD_BATCH_SIZE 8)  # they repeat names more
  target_compile_definitions(${target} PRIVATE ASHLAR_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  gtest_discover_tests(${target} DISCOVERY_MODE PRE_TEST
                       WORKING_DIRECTORY ${CMAKE_SOURCE_DIR} PROPERTIES ${ARGN})
endfunction()
if(ASHLAR_BENCHMARKS)
  find_package(benchmark REQUIRED)
endif()

# A libFuzzer binary PREFIX_x_fuzz of its own, of x_fuzz.cc; further ARGUMENTS are its libraries.
function(ashlar_fuzzer prefix source)
  cmake_path(GET source STEM stem)
  set(target ${prefix}_${stem})
  add_executable(${target} ${source})
  set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
  target_compile_options(${target} PRIVATE ${ASHLAR_MODULE_FLAGS})
  target_precompile_headers(${target} REUSE_FROM ashlar_pch)
  target_link_libraries(${target} PRIVATE ${ARGN})
  target_link_options(${target} PRIVATE -fsanitize=fuzzer)
  add_dependencies(fuzzers ${target})
endfunction()

# With ASHLAR_ISA_OBJECTS, those of the preset it names are linked instead of being compiled again.
# Sanitizers do so: instrumented, these files took half the time of a build, and what a sanitizer is
# to see of a kernel it sees in the reference form, which is compiled as all else.
if(ASHLAR_ISA_OBJECTS)
  set(library ${CMAKE_SOURCE_DIR}/build/${ASHLAR_ISA_OBJECTS}/libashlar_kernels.a)
  add_custom_target(ashlar_isa_objects_build BYPRODUCTS ${library}
    COMMAND ${CMAKE_SOURCE_DIR}/scripts/build.sh ${ASHLAR_ISA_OBJECTS} ashlar_kernels)
  add_library(ashlar_isa_objects STATIC IMPORTED)
  set_target_properties(ashlar_isa_objects PROPERTIES IMPORTED_LOCATION ${library}
                        INTERFACE_LINK_LIBRARIES ashlar_codec)
  add_dependencies(ashlar_isa_objects ashlar_isa_objects_build)
endif()

function(ashlar_isa_flags)
  foreach(source IN LISTS ARGN)
    if(source MATCHES "_avx2\\.cc$")
      set(flags ${ASHLAR_AVX2_FLAGS})
    elseif(source MATCHES "_avxvnni\\.cc$")
      set(flags ${ASHLAR_AVXVNNI_FLAGS})
    elseif(source MATCHES "_avx512\\.cc$")
      set(flags ${ASHLAR_AVX512_FLAGS})
    elseif(source MATCHES "_amx\\.cc$")
      set(flags ${ASHLAR_AMX_FLAGS})
    else()
      continue()
    endif()
    # Optimised in every build: tests that run intrinsics unoptimised would take minutes.
    set(optimise $<IF:$<CONFIG:Release>,-O2,-O1>)
    set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "${flags};${optimise}"
                                SKIP_PRECOMPILE_HEADERS ON)
  endforeach()
endfunction()

function(ashlar_module name)
  cmake_parse_arguments(ARG "COLD;NUMERIC;BY_FOLDER" "" "DEPS;LIBS;PRIVATE_LIBS" ${ARGN})
  set(target ashlar_${name})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/ashlar/${name}/*.cc)
  set(tests ${sources})
  set(cases ${sources})
  set(benches ${sources})
  set(fuzzers ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  list(FILTER cases INCLUDE REGEX "_cases\\.cc$")
  list(FILTER benches INCLUDE REGEX "_bench\\.cc$")
  list(FILTER fuzzers INCLUDE REGEX "_fuzz\\.cc$")
  list(FILTER sources EXCLUDE REGEX "_(test|cases|bench|fuzz)\\.cc$")
  if(NOT sources)
    return()
  endif()
  list(TRANSFORM ARG_DEPS PREPEND ashlar_)

  if(ASHLAR_ISA_OBJECTS AND name STREQUAL "kernels")
    list(FILTER sources EXCLUDE REGEX "_(avx2|avxvnni|avx512|amx)\\.cc$")
    set(ARG_PRIVATE_LIBS ashlar_isa_objects)
  endif()

  add_library(${target} STATIC ${sources})
  ashlar_isa_flags(${sources})
  if(NOT name STREQUAL "kernels")
    target_compile_options(${target} PRIVATE ${ASHLAR_MODULE_FLAGS})
  endif()
  target_link_libraries(${target} PUBLIC ashlar_options ${ARG_DEPS} ${ARG_LIBS}
                                  PRIVATE ${ARG_PRIVATE_LIBS})
  if(ARG_NUMERIC)
    target_compile_options(${target} PRIVATE $<$<BOOL:${ASHLAR_SANITIZE}>:-O1>)
    target_precompile_headers(${target} REUSE_FROM ${ASHLAR_NUMERIC_PCH})
  else()
    target_precompile_headers(${target} REUSE_FROM ashlar_pch)
  endif()
  if(ARG_COLD)
    target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-O1>)
  endif()
  if(ARG_BY_FOLDER)
    set_target_properties(${target} PROPERTIES UNITY_BUILD_MODE GROUP)
    foreach(source IN LISTS sources)
      cmake_path(GET source PARENT_PATH folder)
      cmake_path(GET folder FILENAME folder)
      set_source_files_properties(${source} PROPERTIES UNITY_GROUP ${folder})
    endforeach()
  endif()
  if(cases)
    add_library(${target}_cases STATIC ${cases})
    target_link_libraries(${target}_cases PUBLIC ${target})
    target_precompile_headers(${target}_cases REUSE_FROM ashlar_pch)
  endif()
  if(ASHLAR_TESTS AND tests)
    set(throwing ${tests})
    list(FILTER throwing INCLUDE REGEX "_exception_test\\.cc$")
    list(FILTER tests EXCLUDE REGEX "_exception_test\\.cc$")
    set(binaries ${target}_test)
    add_executable(${target}_test ${tests})
    if(throwing)
      list(APPEND binaries ${target}_exception_test)
      add_executable(${target}_exception_test ${throwing})
    endif()
    foreach(binary IN LISTS binaries)
      target_link_libraries(${binary}
        PRIVATE ${target} $<TARGET_NAME_IF_EXISTS:${target}_cases>)
      ashlar_test(${binary} TIMEOUT 300)
    endforeach()
    if(throwing)
      set_target_properties(${target}_exception_test PROPERTIES DISABLE_PRECOMPILE_HEADERS ON)
      target_compile_options(${target}_exception_test PRIVATE -fexceptions)
    endif()
  endif()
  if(ASHLAR_BENCHMARKS AND benches)
    add_executable(${target}_bench ${benches})
    target_link_libraries(${target}_bench PRIVATE ${target} benchmark::benchmark_main)
    set_target_properties(${target}_bench PROPERTIES UNITY_BUILD OFF)  # each registers itself
  endif()
  if(ASHLAR_FUZZ)
    foreach(fuzzer IN LISTS fuzzers)
      ashlar_fuzzer(${name} ${fuzzer} ${target})
    endforeach()
  endif()
endfunction()
