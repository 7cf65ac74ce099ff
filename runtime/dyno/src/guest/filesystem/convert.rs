//! Conversions between the rules of this room and the bindings of WASI 0.2 and 0.3, which have the same names.

use wasmtime_wasi::p2::bindings::filesystem::types as types_p2;
use wasmtime_wasi::p3::bindings::filesystem::types as types_p3;

use crate::guest::filesystem::changes::OpenRequest;
use crate::guest::filesystem::paths::{FileRefusal, LastLink};
use crate::guest::filesystem::tree::{EntryKind, TreeEntry};

/// Implements the conversions for the bindings in `$types`; `$other` is the type of an entry of another kind.
macro_rules! impl_conversions {
    ($types:ident, $($other:tt)+) => {
        impl From<FileRefusal> for $types::ErrorCode {
            fn from(refusal: FileRefusal) -> $types::ErrorCode {
                use $types::ErrorCode;
                match refusal {
                    FileRefusal::ReadOnly => ErrorCode::ReadOnly,
                    FileRefusal::CrossDevice => ErrorCode::CrossDevice,
                    FileRefusal::Busy => ErrorCode::Busy,
                    FileRefusal::Exists => ErrorCode::Exist,
                    FileRefusal::IsFolder => ErrorCode::IsDirectory,
                    FileRefusal::NotFolder => ErrorCode::NotDirectory,
                    FileRefusal::BadDescriptor => ErrorCode::BadDescriptor,
                    FileRefusal::NotPermitted => ErrorCode::NotPermitted,
                    FileRefusal::TooManyLinks => ErrorCode::Loop,
                    FileRefusal::Invalid => ErrorCode::Invalid,
                    FileRefusal::Full => ErrorCode::InsufficientSpace,
                    FileRefusal::Io(error) => error.into(),
                }
            }
        }

        impl From<$types::PathFlags> for LastLink {
            fn from(flags: $types::PathFlags) -> LastLink {
                match flags.contains($types::PathFlags::SYMLINK_FOLLOW) {
                    true => LastLink::Follow,
                    false => LastLink::Keep,
                }
            }
        }

        impl
            From<(
                $types::PathFlags,
                $types::OpenFlags,
                $types::DescriptorFlags,
            )> for OpenRequest
        {
            fn from(
                (path, open, descriptor): (
                    $types::PathFlags,
                    $types::OpenFlags,
                    $types::DescriptorFlags,
                ),
            ) -> OpenRequest {
                use $types::{DescriptorFlags, OpenFlags};
                OpenRequest {
                    last: path.into(),
                    creates: open.contains(OpenFlags::CREATE),
                    is_exclusive: open.contains(OpenFlags::EXCLUSIVE),
                    truncates: open.contains(OpenFlags::TRUNCATE),
                    writes: descriptor.contains(DescriptorFlags::WRITE),
                    changes_folder: descriptor.contains(DescriptorFlags::MUTATE_DIRECTORY),
                }
            }
        }

        impl From<TreeEntry> for $types::DirectoryEntry {
            fn from(entry: TreeEntry) -> $types::DirectoryEntry {
                use $types::DescriptorType;
                let type_ = match entry.kind {
                    EntryKind::Folder => DescriptorType::Directory,
                    EntryKind::File => DescriptorType::RegularFile,
                    EntryKind::Link => DescriptorType::SymbolicLink,
                    EntryKind::Other => DescriptorType::$($other)+,
                };
                $types::DirectoryEntry {
                    type_,
                    name: entry.name,
                }
            }
        }
    };
}

impl_conversions!(types_p2, Unknown);
impl_conversions!(types_p3, Other(None));
