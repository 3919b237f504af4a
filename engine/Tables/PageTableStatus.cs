namespace Smmu.Fast.Tables;

/// <summary>How an operation on tables ended. Whatever is not <see cref="Done"/> has changed nothing.</summary>
public enum PageTableStatus : byte
{
    /// <summary>All of it happened.</summary>
    Done = 0,

    /// <summary>An address or the size is no multiple of the smallest page, or the size is 0.</summary>
    Unaligned,

    /// <summary>The range leaves the input addresses of the table, or the output addresses leave the output size.</summary>
    OutOfRange,

    /// <summary>A part of the range is mapped already: unmap it first.</summary>
    AlreadyMapped,

    /// <summary>The attributes hold bits of the type, the address or the Contiguous hint, which the builder sets.</summary>
    BadAttributes,

    /// <summary>The pool has no frames for the tables that this needs: return unlinked tables, or use a larger pool.</summary>
    OutOfFrames,

    /// <summary>The bitmap has fewer bits than the range has pages.</summary>
    BitmapTooSmall,
}
