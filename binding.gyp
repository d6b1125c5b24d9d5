# One static library for each instruction set, each with its flags, and the addon that picks one.
# Symbols stay hidden but Node's entry point. C++17 without fast-math; see csrc/vec.h.
{
  'variables': {
    'kernel_flags': [
      '-std=c++17', '-O3', '-g0', '-fPIC', '-ffp-contract=off', '-fwrapv', '-fno-math-errno',
      '-fno-trapping-math', '-fno-exceptions', '-fno-rtti', '-fno-stack-protector',
      '-fvisibility=hidden', '-Wno-psabi', '-Wno-maybe-uninitialized', '-Wno-unknown-warning-option',
    ],
  },
  'target_defaults': {
    'include_dirs': ['csrc'],
    'cflags!': ['-g'],
    'cflags_cc!': ['-std=gnu++17', '-std=gnu++20', '-g'],
    'xcode_settings': {
      'GCC_GENERATE_DEBUGGING_SYMBOLS': 'NO',
      'GCC_SYMBOLS_PRIVATE_EXTERN': 'YES',
      'MACOSX_DEPLOYMENT_TARGET': '11.0',
    },
  },
  'targets': [
    {
      'target_name': 'baseline',
      'type': 'static_library',
      'sources': ['csrc/isa/baseline.cc'],
      'cflags_cc': ['<@(kernel_flags)'],
      'xcode_settings': { 'OTHER_CPLUSPLUSFLAGS': ['<@(kernel_flags)'] },
    },
    {
      'target_name': 'refrain',
      'sources': ['csrc/addon.cc'],
      'dependencies': ['baseline'],
      # std::thread throws where the system allows no more threads.
      'cflags_cc!': ['-fno-exceptions'],
      'cflags_cc': ['-std=c++17', '-O2', '-g0', '-fvisibility=hidden'],
      'xcode_settings': {
        'OTHER_CPLUSPLUSFLAGS': ['-std=c++17', '-O2'],
        'GCC_ENABLE_CPP_EXCEPTIONS': 'YES',
      },
      'conditions': [
        ['OS == "linux"', { 'ldflags': ['-s', '-Wl,--exclude-libs,ALL', '-pthread'] }],
        ['target_arch == "x64"', {
          'dependencies': ['avx2', 'avx512'],
          'defines': ['REFRAIN_X64'],
        }],
      ],
    },
  ],
  'conditions': [
    ['target_arch == "x64"', {
      'targets': [
        {
          'target_name': 'avx2',
          'type': 'static_library',
          'sources': ['csrc/isa/avx2.cc'],
          'cflags_cc': ['<@(kernel_flags)', '-mavx2', '-mfma'],
          'xcode_settings': { 'OTHER_CPLUSPLUSFLAGS': ['<@(kernel_flags)', '-mavx2', '-mfma'] },
        },
        {
          'target_name': 'avx512',
          'type': 'static_library',
          'sources': ['csrc/isa/avx512.cc'],
          'cflags_cc': [
            '<@(kernel_flags)', '-mavx512f', '-mavx512bw', '-mavx512dq', '-mavx512vl', '-mfma',
          ],
          'xcode_settings': {
            'OTHER_CPLUSPLUSFLAGS': [
              '<@(kernel_flags)', '-mavx512f', '-mavx512bw', '-mavx512dq', '-mavx512vl', '-mfma',
            ],
          },
        },
      ],
    }],
  ],
}
