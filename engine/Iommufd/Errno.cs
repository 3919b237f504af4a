namespace Smmu.Fast.Iommufd;

/// <summary>Why a request was refused, with the numbers and the meaning that Linux gives them.</summary>
public enum Errno
{
    /// <summary>It was not.</summary>
    None = 0,

    /// <summary>The source is read-only, or belongs to somebody else.</summary>
    EPERM = 1,

    /// <summary>No such object or mapping, or an object of another kind.</summary>
    ENOENT = 2,

    /// <summary>The IOMMU driver found guest data that it must not use.</summary>
    EIO = 5,

    /// <summary>No window of a vIOMMU is there.</summary>
    ENXIO = 6,

    /// <summary>A structure is longer than known here, and what is not known is not zero.</summary>
    E2BIG = 7,

    /// <summary>The file descriptor is not open.</summary>
    EBADF = 9,

    /// <summary>A limit on memory was met.</summary>
    ENOMEM = 12,

    /// <summary>User memory is not there, or not as readable or writable as needed.</summary>
    EFAULT = 14,

    /// <summary>Somebody still uses it.</summary>
    EBUSY = 16,

    /// <summary>There is one already.</summary>
    EEXIST = 17,

    /// <summary>There is no such device, or none was chosen.</summary>
    ENODEV = 19,

    /// <summary>The request is understood, and wrong.</summary>
    EINVAL = 22,

    /// <summary>No such command.</summary>
    ENOTTY = 25,

    /// <summary>A range of addresses or of tags is used up.</summary>
    ENOSPC = 28,

    /// <summary>The file has no positions, or the count is no multiple of its records.</summary>
    ESPIPE = 29,

    /// <summary>A number leaves its range when it is rounded.</summary>
    ERANGE = 34,

    /// <summary>A user of pinned memory never let it go.</summary>
    EDEADLOCK = 35,

    /// <summary>A sum leaves 64 bits.</summary>
    EOVERFLOW = 75,

    /// <summary>The descriptor is open, but on another kind of file.</summary>
    EBADFD = 77,

    /// <summary>The array is too short for the answer; how long it must be was written.</summary>
    EMSGSIZE = 90,

    /// <summary>A flag, type or reserved word that is not known here.</summary>
    EOPNOTSUPP = 95,

    /// <summary>The addresses are in use or reserved.</summary>
    EADDRINUSE = 98,

    /// <summary>The hardware did not answer in time.</summary>
    ETIMEDOUT = 110,
}
