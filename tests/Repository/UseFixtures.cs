#pragma warning disable CS0649 // The fields are here for their types.

namespace Smmu.Fast.Tests.Repository;

// What RoomTests has the reader of compiled code look at. Each UsesBy type uses a Used type in the one way of its name, so
// that a way which the reader overlooks shows as a type without a use.

internal class UsedClass
{
    internal static int Number;

    internal static event Action? Happened;

    internal static int Call() => Number;

    internal static void Raise() => Happened?.Invoke();
}

internal struct UsedValue
{
    internal int Number;
}

internal interface IUsing<T>;

internal interface UsedAsInterface;

internal class UsedException : Exception;

internal class UsedGeneric<T>
{
    internal T? Value;

    internal static int Call<TOther>() => typeof(TOther).Name.Length;
}

[AttributeUsage(AttributeTargets.All)]
internal sealed class UsedAttribute : Attribute;

[AttributeUsage(AttributeTargets.All)]
internal sealed class NamingAttribute(Type type) : Attribute
{
    internal Type Type { get; } = type;

    public Type[] More { get; set; } = [];
}

internal class UsesNothing
{
    internal static int Call(int value) => value switch { 0 => 3, 1 => 4, 2 => 9, 3 => 1, _ => value };
}

internal class UsesByBase : UsedClass;

internal class UsesByGenericBase : List<UsedClass>;

internal class UsesByArgumentOfInterface : IUsing<UsedClass>;

internal class UsesByInterface : UsedAsInterface;

internal class UsesByField
{
    internal UsedClass? Field;
}

internal class UsesByProperty
{
    internal UsedClass? Property => null;
}

internal class UsesByEvent
{
    internal event Action<UsedClass> Event
    {
        add => value(null!);
        remove => value(null!);
    }
}

internal class UsesByParameter
{
    internal static int Call(in UsedValue value) => 0;
}

internal class UsesByReturn
{
    internal static UsedClass? Call() => null;
}

internal class UsesByLocal
{
    internal static void Call()
    {
        UsedClass? used = null;
        GC.KeepAlive(used);
        GC.KeepAlive(used);   // Read once, it would be optimised away.
    }
}

internal class UsesByCall
{
    internal static int Call() => UsedClass.Call();
}

internal class UsesByCallAfterSwitch
{
    // The jump table lies between the instructions: who misreads its length misreads what follows.
    internal static int Call(int value) => value switch { 0 => 3, 1 => 4, 2 => 9, 3 => 1, 4 => 8, 5 => 0, _ => UsedClass.Call() };
}

internal class UsesByFieldAccess
{
    internal static void Call() => UsedClass.Number++;
}

internal class UsesBySubscription
{
    internal static void Call() => UsedClass.Happened += null;
}

internal class UsesByCreation
{
    internal static object Call() => new UsedClass();
}

internal class UsesByCast
{
    internal static bool Call(object value) => value is UsedClass;
}

internal class UsesByTypeOf
{
    internal static Type Call() => typeof(UsedClass);
}

internal class UsesBySize
{
    internal static unsafe int Call() => sizeof(UsedValue);
}

internal class UsesByGenericArgument
{
    internal static object Call() => new List<UsedClass>();
}

internal class UsesByArgumentOfMethod
{
    internal static object Call() => Array.Empty<UsedClass>();
}

internal class UsesByMemberOfGeneric
{
    internal static int Call() => UsedGeneric<int>.Call<string>();
}

internal class UsesByConstraint<T>
    where T : UsedClass;

internal class UsesByConstraintOfMethod
{
    internal static void Call<T>()
        where T : UsedClass
    {
    }
}

internal class UsesByCatch
{
    internal static int Call()
    {
        try
        {
            return UsesNothing.Call(0);
        }
        catch (UsedException)
        {
            return 0;
        }
    }
}

internal class UsesByLambda
{
    internal static readonly Func<int> Call = () => UsedClass.Call();
}

internal class UsesByMethodGroup
{
    internal static Func<int> Call() => UsedClass.Call;
}

internal class UsesByIterator
{
    internal static IEnumerable<int> Call()
    {
        yield return UsedClass.Number;
    }
}

internal class UsesByNested
{
    internal class Inner
    {
        internal class Innermost
        {
            internal UsedClass? Field;
        }
    }
}

internal class UsesByArray
{
    internal UsedClass[,]? Field;
}

internal unsafe class UsesByPointer
{
    internal UsedValue* Field;
}

internal unsafe class UsesByFunctionPointer
{
    internal delegate*<UsedValue, void> Field;
}

internal unsafe class UsesByIndirectCall
{
    internal static int Call(void* method) => ((delegate*<ref UsedValue, int>)method)(ref *(UsedValue*)method);
}

[Used]
internal class UsesByAttribute;

internal class UsesByAttributeOfParameter
{
    internal static int Call([Used] int value) => value;
}

internal class UsesByAttributeOfReturn
{
    [return: Used]
    internal static int Call() => 0;
}

internal class UsesByAttributeOfTypeParameter<[Used] T>;

[Naming(typeof(UsedClass))]
internal class UsesByTypeInAttribute;

[Naming(typeof(int), More = [typeof(long), typeof(UsedGeneric<int>)])]
internal class UsesByTypeInArrayInAttribute;

[Naming(typeof(List<UsedClass>))]
internal class UsesByArgumentInAttribute;

internal delegate void UsesByDelegate(UsedClass used);
