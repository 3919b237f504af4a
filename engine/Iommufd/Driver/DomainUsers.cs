using Smmu.Fast.Formats;

namespace Smmu.Fast.Iommufd.Driver;

/// <summary>One attachment to a paging domain, as its invalidations see it.</summary>
/// <param name="Tag">What its entries are tagged with.</param>
/// <param name="IsNested">A guest's stage 1 lies on top, whose entries go with those of stage 2.</param>
/// <param name="Stream">The stream.</param>
/// <param name="Substream">The substream; none for all.</param>
/// <param name="UsesAts">The endpoint may keep translations, too.</param>
internal readonly record struct DomainUser(
    InvalidationTag Tag, bool IsNested, StreamId Stream, SubstreamId? Substream, bool UsesAts);

/// <summary>Who has to hear of what changes in a paging domain.</summary>
/// <remarks>
/// Attachments change it one at a time; invalidations read <see cref="Current"/> without a lock. A user is added before its
/// STE or CD leads to the tables, and removed after, so that whoever may keep a translation is told that it ends.
/// </remarks>
internal sealed class DomainUsers
{
    private readonly Dictionary<InvalidationTag, (int Users, int Nested)> tags = [];
    private readonly List<DomainUser> endpoints = [];   // With ATS.
    private Snapshot current = Snapshot.None;

    /// <summary>Those of now; ask behind a barrier that follows the stores to the tables.</summary>
    public Snapshot Current => Volatile.Read(ref current);

    /// <summary>Adds one.</summary>
    public void Add(in DomainUser user)
    {
        (int users, int nested) = tags.GetValueOrDefault(user.Tag);
        tags[user.Tag] = (users + 1, nested + (user.IsNested ? 1 : 0));
        if (user.UsesAts) endpoints.Add(user);
        if (users == 0 || (user.IsNested && nested == 0) || user.UsesAts) Publish();
        Interlocked.MemoryBarrier();   // Walks that the caller is about to allow come after.
    }

    /// <summary>Removes one; true when nobody has the tag any more, so that its entries are to go.</summary>
    public bool Remove(in DomainUser user)
    {
        (int users, int nested) = tags[user.Tag];
        if (users == 1) tags.Remove(user.Tag);
        else tags[user.Tag] = (users - 1, nested - (user.IsNested ? 1 : 0));
        if (user.UsesAts) endpoints.Remove(user);
        if (users == 1 || (user.IsNested && nested == 1) || user.UsesAts) Publish();
        return users == 1;
    }

    private void Publish() => Volatile.Write(ref current, new Snapshot(
        [.. tags.Select(tag => new TagUse(tag.Key, tag.Value.Nested != 0))],
        [.. endpoints]));

    /// <summary>A tag in use.</summary>
    /// <param name="Tag">The tag.</param>
    /// <param name="IsNested">A guest's stage 1 lies on top.</param>
    public readonly record struct TagUse(InvalidationTag Tag, bool IsNested);

    /// <summary>Who is to be told.</summary>
    /// <param name="Tags">Each once.</param>
    /// <param name="Endpoints">Those with ATS.</param>
    public sealed record Snapshot(TagUse[] Tags, DomainUser[] Endpoints)
    {
        public static Snapshot None { get; } = new([], []);
    }
}
